//! Wires everything; reads like the architecture.
