//! Secrets in files of their own: tokens, keys. Read whole, kept short, without the newline that an editor leaves.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A secret is shorter; a larger file is the wrong one.
const MOST: u64 = 4096;

/// The secret in a file; `what` it is, for the mend. Blocks.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{}: {error}; put the {what} there", path.display()))?;
    if bytes.len() as u64 > MOST {
        return Err(format!("{}: too long for a {what}; name the right file", path.display()));
    }
    Ok(bytes.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::TempFile;

    #[test]
    fn a_secret_is_short_and_alone() {
        let file = TempFile::new(" s3cret\n");
        assert_eq!(read(&file.0, "token").as_deref(), Ok(b"s3cret".as_slice()));
        file.write(&"x".repeat(5_000));
        assert!(read(&file.0, "token").is_err_and(|why| why.contains("too long for a token")));
        let missing = file.0.with_file_name("missing");
        assert!(read(&missing, "secret").is_err_and(|why| why.ends_with("; put the secret there")));
    }
}
