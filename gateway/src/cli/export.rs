//! `gengfu export`: the past as a file, while the gateway runs or not.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::place::{Found, Place};
use crate::export::{self, Alarms, Format, Wanted, moment};
use crate::journal::Past;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    Csv,
    Line,
    Parquet,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// From when: RFC 3339, or a date (and time) of the site; from the beginning if not given.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when; a date means all of that day. To the end if not given.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Points, as device/point with `*`; may be given several times. All if not given.
    #[arg(long, value_name = "GLOB", conflicts_with = "alarms")]
    point: Vec<String>,
    /// The alarm lane (alarms, audit, starts, gaps) in place of readings; as csv or json.
    #[arg(long)]
    alarms: bool,
    /// csv, line (InfluxDB line protocol) or parquet; of alarms csv or json (a document a line).
    #[arg(long, value_enum, default_value = "csv")]
    format: Word,
    /// The file to write; `-` is the standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Put it in the place of a file that is there.
    #[arg(long)]
    force: bool,
}

/// What is written in which way.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Readings(Format),
    Alarms(Alarms),
}

pub(super) fn run(Export { place, from, to, point, alarms, format, output, force }: Export) -> ExitCode {
    let found = match place.find() {
        Ok(found) => found,
        Err(code) => return code,
    };
    let time =
        |text: Option<&str>, end, otherwise| text.map_or(Ok(otherwise), |text| moment(text, &found.timezone, end));
    let (from, to) = match (time(from.as_deref(), false, i64::MIN), time(to.as_deref(), true, i64::MAX)) {
        (Ok(from), Ok(to)) if from < to => (from, to),
        (Ok(_), Ok(_)) => return wrong("--from lies behind --to; give a time before it"),
        (Err(why), _) | (_, Err(why)) => return wrong(&why),
    };
    let kind = match (alarms, format) {
        (false, Word::Csv) => Kind::Readings(Format::Csv),
        (false, Word::Line) => Kind::Readings(Format::Line),
        (false, Word::Parquet) => Kind::Readings(Format::Parquet),
        (true, Word::Csv) => Kind::Alarms(Alarms::Csv),
        (true, Word::Json) => Kind::Alarms(Alarms::Json),
        (true, _) => return wrong("alarms are written as csv or json; give one of them with --format"),
        (false, Word::Json) => {
            return wrong("readings are written as csv, line or parquet; give one of them with --format");
        }
    };
    let wanted = Wanted { points: point, from, to };
    if let Some(why) = in_the_way(&output, force) {
        return super::failed(&why);
    }
    let written = if output == Path::new("-") {
        write(&found, &wanted, kind, BufWriter::new(std::io::stdout()))
    } else {
        to_file(&output, |file| write(&found, &wanted, kind, file))
    };
    match written {
        Ok(told) => {
            warnln!("{told}");
            ExitCode::SUCCESS
        }
        Err(why) => super::failed(&why),
    }
}

/// Prints what is wrong with the command.
fn wrong(why: &str) -> ExitCode {
    warnln!("gengfu: {why}");
    ExitCode::from(2)
}

/// What is there already and must not be lost, in words; a link that leads nowhere is somebody's as well.
fn in_the_way(output: &Path, force: bool) -> Option<String> {
    let there = !force && output != Path::new("-") && output.symlink_metadata().is_ok();
    there.then(|| {
        let output = output.display();
        format!("{output}: is there already; give another name, or --force to put this in its place")
    })
}

/// Under another name first, so that a file of the name asked for is whole.
fn to_file(path: &Path, work: impl FnOnce(BufWriter<&File>) -> Result<String, String>) -> Result<String, String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let told = |error: std::io::Error| format!("{}: {error}; see to space and rights there", path.display());
    let written = File::create(&partial).map_err(told).and_then(|file| {
        let told_work = work(BufWriter::new(&file))?;
        file.sync_all().and_then(|()| crate::disk::rename(&partial, path)).map_err(told)?;
        Ok(told_work)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Writes, and says what.
fn write(found: &Found, wanted: &Wanted, kind: Kind, out: impl Write + Send) -> Result<String, String> {
    let mut past = Past::open(&found.journal).map_err(|error| error.0)?;
    match kind {
        Kind::Readings(format) => {
            let written = export::readings(&mut past, &found.site, wanted, format, out)?;
            let refused = written.refused.map(|why| format!("; some left out: {why}")).unwrap_or_default();
            let waiting = match past.undated().map_err(|error| error.0)? {
                0 => String::new(),
                n => format!("; {n} more are kept without a time, until the gateway's clock is set"),
            };
            Ok(format!("{} readings of {} points{refused}{waiting}", written.readings, written.points))
        }
        Kind::Alarms(format) => {
            let entries = export::alarms(&past, (wanted.from, wanted.to), format, out)?;
            Ok(format!("{entries} entries of the alarm lane"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_unless_it_is_forced() {
        let file = std::env::temp_dir().join(format!("gengfu-export-{}.csv", std::process::id()));
        let refused = |force| in_the_way(&file, force);
        assert_eq!((refused(false), in_the_way(Path::new("-"), false)), (None, None));
        std::fs::write(&file, "kept").unwrap();
        assert!(refused(false).is_some_and(|why| why.ends_with("or --force to put this in its place")));
        assert_eq!(refused(true), None);
        std::fs::remove_file(&file).unwrap();
    }
}
