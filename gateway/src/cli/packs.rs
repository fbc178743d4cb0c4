//! `gengfu packs`: what is in a rule pack, whether it does what its scenario says, and who signed it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::columns::aligned;
use super::status::age;
use super::{failed, refused};
use crate::config::pack::outside::{From, Signed};
use crate::config::pack::sign::{self, Signer};
use crate::config::pack::{self, EMBEDDED, Embedded, Pack, PackRule, Place};
use crate::config::{self, Complaint};
use crate::replay::{self, Lead};
use crate::secret;

#[derive(Debug, Args)]
pub(super) struct Packs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The packs of the binary. 列表
    List,
    /// Every default of a pack with its clause and mark. 查看
    Show {
        /// A pack of the binary, or a file.
        #[arg(value_name = "NAME|FILE")]
        pack: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check packs and run their scenarios: which alarms stand when. 试验
    Check {
        /// Packs of the binary, or files; all of the binary if none is given. Of `x.toml` the scenario is `x.scenario.toml`.
        #[arg(value_name = "NAME|FILE")]
        packs: Vec<String>,
    },
    /// Make a key that signs packs; prints what goes into `[packs] trust`. 生成密钥
    Key {
        /// Where the secret half is put. Whoever has it can change what your sites watch for.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Sign a pack that does what its scenario says; writes FILE.sig. 签名
    Sign {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The key file of `packs key`.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Say whether FILE.sig is a good signature of FILE. 验签
    Verify {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A public key, as in `[packs] trust`.
        #[arg(long, value_name = "KEY", required = true)]
        trust: Vec<String>,
    },
}

pub(super) fn run(asked: Packs) -> ExitCode {
    match asked.what.unwrap_or(What::List) {
        What::List => print(list()),
        What::Show { pack, json } => print(load(&pack).map(|(pack, _)| if json { pretty(&pack) } else { text(&pack) })),
        What::Check { packs } => check(&packs),
        What::Key { file } => print(key(&file).map_err(Trouble::Failed)),
        What::Sign { file, key } => print(signed(&file, &key)),
        What::Verify { file, trust } => print(verified(&file, &trust).map_err(Trouble::Failed)),
    }
}

/// Why a command came to nothing.
enum Trouble {
    Wrong(Vec<Complaint>),
    Failed(String),
}

fn print(outcome: Result<String, Trouble>) -> ExitCode {
    match outcome {
        Ok(text) => {
            // A reader that has gone away (`| head`) is no reason to fail.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Trouble::Wrong(complaints)) => refused(&complaints),
        Err(Trouble::Failed(why)) => failed(&why),
    }
}

/// A pack as it was found, and its scenario where there is one.
struct Found {
    name: String,
    file: PathBuf,
    text: String,
    scenario: Option<String>,
}

impl Found {
    fn embedded(pack: &Embedded) -> Self {
        Self {
            name: pack.name.to_owned(),
            file: PathBuf::from(format!("packs/{}.toml", pack.name)),
            text: pack.text.to_owned(),
            scenario: Some(pack.scenario.to_owned()),
        }
    }

    /// A file; its scenario is optional.
    fn read(file: &Path) -> Result<Self, Trouble> {
        let name = file.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
        let beside = file.with_extension("scenario.toml");
        let scenario = if beside.exists() { Some(config::text(&beside).map_err(Trouble::Wrong)?) } else { None };
        Ok(Self { name, file: file.to_owned(), text: config::text(file).map_err(Trouble::Wrong)?, scenario })
    }

    fn find(asked: &str) -> Result<Self, Trouble> {
        match EMBEDDED.iter().find(|pack| pack.name == asked) {
            Some(pack) => Ok(Self::embedded(pack)),
            None if Path::new(asked).exists() => Self::read(Path::new(asked)),
            None => {
                let known: Vec<&str> = EMBEDDED.iter().map(|pack| pack.name).collect();
                Err(Trouble::Failed(format!(
                    "{asked}: no such pack and no such file; in the binary: {}",
                    known.join(", ")
                )))
            }
        }
    }

    fn parse(&self) -> Result<Pack, Trouble> {
        pack::parse(&self.text, &self.file).map_err(Trouble::Wrong)
    }

    /// Runs the scenario.
    fn rehearse(&self) -> Result<Rehearsed, Trouble> {
        let Some(scenario) = &self.scenario else { return Ok(Rehearsed::default()) };
        let from = From::Draft { name: &self.name, text: &self.text };
        let scenario = config::scenario(scenario, &self.file.with_extension("scenario.toml"), from);
        let outcomes = replay::scenario(&scenario.map_err(Trouble::Wrong)?);
        let faults = outcomes
            .iter()
            .flat_map(|outcome| outcome.faults.iter().map(|fault| format!("{}: {}: {fault}", self.name, outcome.case)));
        let leads = outcomes.iter().filter(|outcome| !outcome.leads.is_empty()).flat_map(|outcome| {
            let lead =
                |lead: &Lead| format!("    {} before {}: {}\n", age(lead.before_ms as i64), lead.alarm, lead.warning);
            std::iter::once(format!("  {}:\n", outcome.case)).chain(outcome.leads.iter().map(lead))
        });
        Ok(Rehearsed { cases: outcomes.len(), faults: faults.collect(), leads: leads.collect() })
    }
}

/// What came of a scenario.
#[derive(Debug, Default)]
struct Rehearsed {
    cases: usize,
    /// What went otherwise than it says.
    faults: Vec<String>,
    /// How long before an alarm each warning came, for people.
    leads: String,
}

fn load(asked: &str) -> Result<(Pack, Found), Trouble> {
    let found = Found::find(asked)?;
    Ok((found.parse()?, found))
}

/// What the scenario of a pack that a site uses finds wrong; for `gengfu check`.
pub(super) fn tried(name: &str, place: &Place) -> Vec<String> {
    let found = match place {
        Place::Binary => Found::find(name),
        Place::File(path) => Found::read(path),
        Place::Draft => return Vec::new(),
    };
    match found.and_then(|found| found.rehearse()) {
        Ok(Rehearsed { faults, .. }) => faults.into_iter().map(|fault| format!("pack {fault}")).collect(),
        Err(Trouble::Wrong(complaints)) => complaints.iter().map(ToString::to_string).collect(),
        Err(Trouble::Failed(why)) => vec![why],
    }
}

fn list() -> Result<String, Trouble> {
    let mut rows = Vec::new();
    for embedded in EMBEDDED {
        let pack = Found::embedded(&embedded).parse()?;
        let rules = format!("{} rules", pack.rules.len());
        rows.push(vec![pack.name, format!("edition {}, from {}", pack.edition, pack.effective), rules, pack.title]);
    }
    Ok(aligned(0, &rows))
}

fn pretty(pack: &Pack) -> String {
    format!("{:#}\n", json!(pack))
}

fn text(pack: &Pack) -> String {
    let Pack { name, title, edition, effective, parts, main, rules } = pack;
    let mut out = format!("{name}  {title}\nedition {edition}, from {effective}\n");
    for part in parts {
        let unit = part.unit.as_ref().map_or(String::new(), |unit| format!(", in {unit}"));
        let mark = if main.as_ref() == Some(&part.name) { ", where no part is named" } else { "" };
        let _ = write!(out, "\n{}  {}{unit}{mark}\n", part.name, part.what);
        for rule in rules.iter().filter(|rule| rule.part == part.name) {
            out.push_str(&of_rule(name, rule));
        }
    }
    out.push_str("\n[V] checked against a copy of the standard; [M-high], [M-med], [M-low] from memory, look it up; [D] our own.\n");
    out
}

fn of_rule(name: &str, rule: &PackRule) -> String {
    let basis = rule.clause().map_or(String::new(), |clause| format!("  ({clause})"));
    // Without points of that part the rule is not lent.
    let beside = if rule.beside.is_empty() { String::new() } else { format!("  beside {}", rule.beside.join(", ")) };
    let mut out = format!("  {name}/{}  {}{beside}{basis}\n", rule.id, rule.detector);
    let mut rows = Vec::new();
    for default in &rule.defaults {
        let note = default.source.note.clone().unwrap_or_default();
        rows.push(vec![default.key.clone(), default.value.clone(), default.source.to_string(), note]);
        for other in &default.source.others {
            let mark = pack::cited(other.clause.as_deref(), other.mark);
            rows.push(vec!["or".to_owned(), other.value.clone(), mark, other.when.clone()]);
        }
    }
    out.push_str(&aligned(4, &rows));
    out
}

fn check(asked: &[String]) -> ExitCode {
    let all = || EMBEDDED.iter().map(|pack| Ok(Found::embedded(pack))).collect::<Vec<_>>();
    let found = if asked.is_empty() { all() } else { asked.iter().map(|asked| Found::find(asked)).collect() };
    let mut worst = ExitCode::SUCCESS;
    for found in found {
        let outcome = found.and_then(|found| {
            found.parse()?;
            let Rehearsed { cases, faults, leads } = found.rehearse()?;
            let said = match (cases, faults.as_slice()) {
                (0, _) => format!("{}: a good pack, without a scenario\n", found.name),
                (cases, []) => format!("{}: {cases} cases, all as expected\n{leads}", found.name),
                (_, faults) => return Err(Trouble::Failed(faults.join("\n"))),
            };
            Ok(said)
        });
        let fine = outcome.is_ok();
        let code = print(outcome);
        if !fine {
            worst = code;
        }
    }
    worst
}

/// Makes a key file that only its owner may read; it never takes the place of another.
fn key(file: &Path) -> Result<String, String> {
    let mut seed = [0; sign::KEY];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut seed))
        .map_err(|error| format!("/dev/urandom: {error}; a key needs random numbers"))?;
    let signer = Signer::of_seed(seed);
    let told = |error: std::io::Error| format!("{}: {error}; name a file that is not there yet", file.display());
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(told)?;
    writeln!(out, "{}", signer.seed()).map_err(told)?;
    Ok(format!("{}\n", signer.public()))
}

fn signed(file: &Path, key: &Path) -> Result<String, Trouble> {
    let found = Found::read(file)?;
    found.parse()?;
    let Rehearsed { faults, .. } = found.rehearse()?;
    if !faults.is_empty() {
        return Err(Trouble::Failed(format!(
            "{}\nnot signed: it does not do what its scenario says",
            faults.join("\n")
        )));
    }
    let secret = secret::read(key, "key of `gengfu packs key`").map_err(Trouble::Failed)?;
    let signer = Signer::read(&secret)
        .ok_or_else(|| Trouble::Failed(format!("{}: no key; `gengfu packs key` makes one", key.display())))?;
    let beside = beside(file);
    std::fs::write(&beside, format!("{}\n", signer.sign(found.text.as_bytes())))
        .map_err(|error| Trouble::Failed(format!("{}: {error}; see to the rights", beside.display())))?;
    Ok(format!("{}: signed by {}\n", beside.display(), signer.public()))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn verified(file: &Path, trust: &[String]) -> Result<String, String> {
    if let Some(wrong) = trust.iter().find(|key| !sign::is_key(key)) {
        return Err(format!("--trust {wrong}: no public key; give the 64 hex digits that `gengfu packs key` prints"));
    }
    let name = file.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
    let dir = file.parent().unwrap_or(Path::new(""));
    let pack = Signed::read(dir, &name)?
        .ok_or_else(|| format!("{}: there is no such pack; name its .toml", file.display()))?;
    let by = trust.iter().find(|key| sign::is_by(key, pack.text.as_bytes(), &pack.signature));
    by.map(|key| format!("{}: signed by {key}\n", file.display()))
        .ok_or_else(|| format!("{}: not signed by any of these keys; do not use it", file.display()))
}
