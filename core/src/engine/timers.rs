//! Deadlines are data: an indexed binary heap over the bindings, ordered by (deadline, binding).
//!
//! Each binding has at most one entry, so the heap is exactly as long as the bindings and can't overflow. A deadline
//! that moves later is left where it is and looked at again when it comes up (most move at every reading).

use super::Binding;
use crate::time::Mono;

/// A binding's place in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timer {
    due: Mono,
    /// Index in the heap, `NONE` while no deadline is armed.
    place: u32,
}

const NONE: u32 = u32::MAX;

impl Timer {
    pub(super) const IDLE: Self = Self { due: Mono(u64::MAX), place: NONE };
}

/// The heap, over slices the caller lends.
pub(super) struct Timers<'t> {
    pub(super) heap: &'t mut [u32],
    pub(super) len: &'t mut u32,
}

/// The earliest deadline and whose it is; true or earlier than the true one, never later.
#[inline]
pub(super) fn first(heap: &[u32], len: u32, bindings: &[Binding]) -> Option<(Mono, u32)> {
    let index = *heap.first().filter(|_| len > 0)?;
    bindings.get(index as usize).map(|b| (b.timer.due, index))
}

impl Timers<'_> {
    /// Makes sure that `index` comes up at `due` or before.
    pub(super) fn arm(&mut self, bindings: &mut [Binding], index: u32, due: Mono) {
        let Some(binding) = bindings.get_mut(index as usize) else { return };
        if binding.timer.place != NONE && binding.timer.due <= due {
            return;
        }
        binding.timer.due = due;
        let mut place = binding.timer.place;
        if place == NONE {
            place = *self.len;
            *self.len += 1;
            self.put(bindings, place, index);
        }
        self.rise(bindings, place);
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self, bindings: &mut [Binding]) {
        let Some(&top) = self.heap.first().filter(|_| *self.len > 0) else { return };
        *self.len -= 1;
        if let Some(binding) = bindings.get_mut(top as usize) {
            binding.timer = Timer::IDLE;
        }
        if *self.len > 0
            && let Some(&last) = self.heap.get(*self.len as usize)
        {
            self.put(bindings, 0, last);
            self.sink(bindings);
        }
    }

    fn put(&mut self, bindings: &mut [Binding], place: u32, index: u32) {
        if let (Some(slot), Some(binding)) = (self.heap.get_mut(place as usize), bindings.get_mut(index as usize)) {
            *slot = index;
            binding.timer.place = place;
        }
    }

    fn key(&self, bindings: &[Binding], place: u32) -> Option<(Mono, u32)> {
        if place >= *self.len {
            return None;
        }
        let index = *self.heap.get(place as usize)?;
        bindings.get(index as usize).map(|b| (b.timer.due, index))
    }

    fn swap(&mut self, bindings: &mut [Binding], a: u32, b: u32) {
        if let (Some(&x), Some(&y)) = (self.heap.get(a as usize), self.heap.get(b as usize)) {
            self.put(bindings, a, y);
            self.put(bindings, b, x);
        }
    }

    fn rise(&mut self, bindings: &mut [Binding], mut place: u32) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.key(bindings, parent) <= self.key(bindings, place) {
                return;
            }
            self.swap(bindings, parent, place);
            place = parent;
        }
    }

    fn sink(&mut self, bindings: &mut [Binding]) {
        let mut place = 0;
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let Some(mut least) = self.key(bindings, left).map(|k| (k, left)) else { return };
            if let Some(k) = self.key(bindings, right).filter(|k| *k < least.0) {
                least = (k, right);
            }
            if self.key(bindings, place) <= Some(least.0) {
                return;
            }
            self.swap(bindings, place, least.1);
            place = least.1;
        }
    }
}
