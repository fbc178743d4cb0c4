//! `gengfu rollback`: the last good configuration put back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::good::{BEFORE, Good, IN_FORCE, write};
use crate::config::change::Change;
use crate::config::checked::Site;
use crate::config::pack::outside::Signed;
use crate::config::{self, Complaint};

/// A reload takes a moment; one that takes longer goes on by itself.
const LIMIT: Duration = Duration::from_secs(15);

pub(super) async fn run(file: PathBuf, journal: Option<PathBuf>) -> ExitCode {
    let (told, site) = match put_back(&file, journal) {
        Ok(done) => done,
        Err(why) => return super::failed(&why),
    };
    say!("{told}");
    match ask(&site).await {
        Ok(answer) => {
            sayln!("{answer}");
            ExitCode::SUCCESS
        }
        Err(why) => super::failed(&why),
    }
}

/// Writes the file; gives what to print and the site that it now describes.
fn put_back(file: &Path, journal: Option<PathBuf>) -> Result<(String, Site), String> {
    // A file that is gone, or is no text, is no reason not to put one back.
    let now = std::fs::read(file).unwrap_or_default();
    let now = String::from_utf8_lossy(&now).into_owned();
    let dir = journal.unwrap_or_else(|| config::journal_directory(&now, file));
    let (name, good) = choose(&dir, &now, file)?;
    let loaded = good.parse(file).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        format!("{}: not good for this version any more:\n{}", dir.join(name).display(), mistakes.join("\n"))
    })?;
    let mut told = difference(config::parse(&now, file), &loaded.site);
    if !now.is_empty() {
        let mut aside = file.as_os_str().to_owned();
        aside.push(".rolled-back");
        let aside = PathBuf::from(aside);
        write(&aside, &now).map_err(|error| format!("{}: {error}; nothing was changed", aside.display()))?;
        let _ = writeln!(told, "What was there is kept as {}.", aside.display());
    }
    for pack in &good.packs {
        let packs = config::packs_directory(&good.text, file);
        let (text, signature) = Signed::files(&packs, &pack.name);
        let put = std::fs::create_dir_all(&packs)
            .and_then(|()| write(&text, &pack.text))
            .and_then(|()| write(&signature, &pack.signature));
        put.map_err(|error| format!("{}: {error}; see to the rights, the site file was not changed", text.display()))?;
    }
    write(file, &good.text)
        .map_err(|error| format!("{}: {error}; see to the rights, nothing was changed", file.display()))?;
    let _ = writeln!(told, "{} is the configuration of {} again.", file.display(), dir.join(name).display());
    Ok((told, loaded.site))
}

/// The configuration in force; where the file says that already, the one before it.
fn choose(dir: &Path, now: &str, file: &Path) -> Result<(&'static str, Good), String> {
    let read = |name: &str| Good::read(dir, name);
    let none = |error: std::io::Error| {
        format!(
            "{}: {error}; a good configuration is kept there once the gateway has run, --journal names another directory",
            dir.join(IN_FORCE).display()
        )
    };
    let in_force = read(IN_FORCE).map_err(none)?;
    let packs = config::packs_directory(now, file);
    let same = |pack: &Signed| Signed::read(&packs, &pack.name).is_ok_and(|lies| lies.as_ref() == Some(pack));
    if in_force.text != now || !in_force.packs.iter().all(same) {
        return Ok((IN_FORCE, in_force));
    }
    let before = read(BEFORE);
    before.map(|before| (BEFORE, before)).map_err(|_| {
        "the file is the configuration in force, and there is none before it; nothing was changed".to_owned()
    })
}

fn difference(now: Result<config::Loaded, Vec<Complaint>>, good: &Site) -> String {
    match now {
        Ok(now) => {
            let words = Change::between(&now.site, good).words();
            let words = if words.is_empty() { vec!["nothing but the wording is different".to_owned()] } else { words };
            format!("  {}\n", words.join("\n  "))
        }
        Err(complaints) => {
            let mistakes = complaints.len();
            format!("  the file that was there has {mistakes} mistakes; `gengfu check` lists them\n")
        }
    }
}

/// Asks the gateway at the site's console, if there is one.
async fn ask(site: &Site) -> Result<String, String> {
    let listen = site.console.listen;
    if listen.port() == 0 {
        return Ok("Its console has no fixed port: reload it with SIGHUP if it runs.".to_owned());
    }
    let by = format!("gengfu rollback ({})", std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()));
    let client = reqwest::Client::builder().timeout(LIMIT).build().map_err(|e| e.to_string())?;
    let url = format!("http://{listen}/api/v1/reload");
    let body = json!({ "by": by.chars().take(64).collect::<String>() }).to_string();
    let sent = client.post(&url).header("content-type", "application/json").body(body).send().await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => {
            return Ok("The gateway does not run; it takes this at its next start.".to_owned());
        }
        Err(error) => return Err(format!("{url}: {error}; the file is put back, reload it with SIGHUP")),
    };
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok("The gateway runs on it.".to_owned());
    }
    let mistakes = answer.pointer("/complaints").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mistakes: Vec<String> = mistakes.iter().map(|m| format!("{}; {}", word(m, "what"), word(m, "mend"))).collect();
    Err(format!(
        "the file is put back, but the gateway did not take it: {} {}",
        word(&answer, "detail"),
        mistakes.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "site = { id = \"s\" }\nrule = []\nmodbus = []\n";

    #[test]
    fn the_one_in_force_comes_back_and_then_the_one_before_it() {
        let dir = std::env::temp_dir().join(format!("gengfu-rollback-{}", std::process::id()));
        let file = dir.join("site.toml");
        std::fs::create_dir_all(dir.join("data")).unwrap();
        let (first, second) = (GOOD.to_owned(), format!("{GOOD}# second\n"));
        for text in [&first, &second] {
            let good = Good { text: text.clone(), packs: Vec::new() };
            crate::app::good::keep(&dir.join("data"), &good).unwrap();
        }
        let now = || std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, "site = { id = ").unwrap();
        let (told, _) = put_back(&file, None).unwrap();
        assert!(told.contains("mistakes"), "{told}");
        assert_eq!(now(), second);
        assert_eq!(std::fs::read_to_string(dir.join("site.toml.rolled-back")).unwrap(), "site = { id = ");
        put_back(&file, None).unwrap();
        assert_eq!(now(), first, "the file in force is rolled back to the one before it");
        std::fs::remove_file(&file).unwrap();
        put_back(&file, None).unwrap();
        assert_eq!(now(), second, "a file that is gone comes back");
        assert!(put_back(&file, Some(dir.join("nowhere"))).unwrap_err().contains("--journal"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
