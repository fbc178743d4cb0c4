//! Embeds the browser's half of the console where it was built (`npm ci && npm run build` in web/). Without it the
//! gateway still compiles, and its page says what is missing.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let dist = Path::new("../web/dist");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for name in ["app.js", "app.css"] {
        let built = dist.join(name);
        // A path that does not exist yet counts as changed, so the bundle is noticed as soon as it appears.
        println!("cargo::rerun-if-changed={}", built.display());
        let content = if built.exists() { fs::read(&built)? } else { Vec::new() };
        write_if_changed(&out.join(name), &content)?;
    }
    Ok(())
}

/// While the bundle is missing cargo runs this each time; an untouched file spares it the rebuild.
fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content)
}
