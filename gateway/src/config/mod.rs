//! From what a person wrote to what the program needs. All mistakes are reported at once, each with file, line, column
//! and mend; nothing half-right gets in.

pub mod checked;

use std::path::Path;

use checked::Site;

/// One mistake. `Display` prints `FILE:LINE:COLUMN: what; what to do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub what: String,
    pub mend: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}; {}", self.file, self.line, self.column, self.what, self.mend)
    }
}

/// Reads and checks a site file. Errors are in the order of the file.
pub fn load(_file: &Path) -> Result<Loaded, Vec<Complaint>> {
    unimplemented!()
}

/// Checks a text as if it stood in `file`; relative paths are relative to the file's directory.
pub fn parse(_text: &str, _file: &Path) -> Result<Loaded, Vec<Complaint>> {
    unimplemented!()
}

/// A good site and what deserves a word although it is allowed (a glob that matches nothing).
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub site: Site,
    pub warnings: Vec<Complaint>,
}
