//! Whole back-tests, out of CSV files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::config;

const SITE: &str = "[site]\nid = \"s\"\ntimezone = \"Asia/Shanghai\"\n[[modbus]]\nname = \"l\"\nconnect = \"tcp://h:1\"\n\
                    [[modbus.device]]\nname = \"d\"\nunit = 1\nevery = \"1m\"\n\
                    [[modbus.device.point]]\nname = \"p\"\nregister = \"holding:0\"\ntype = \"f32\"\norder = \"abcd\"\n\
                    [[modbus.device.point]]\nname = \"q\"\nregister = \"holding:2\"\ntype = \"f32\"\norder = \"abcd\"\n";
const LOW: &str = "[[rule]]\nid = \"low\"\npoint = \"d/p\"\nlow = { limit = 10, clear = 12 }\npriority = \"high\"\n";
const TREND: &str = "[[rule]]\nid = \"falling\"\npoint = \"d/p\"\n\
                     trend = { limit = 10, side = \"low\", within = \"2h\", window = \"30m\" }\n";
/// 2026-01-31 00:00 of the site.
const BEGIN: i64 = 1_769_788_800_000;
const MINUTE: i64 = 60_000;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("gengfu-replay-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).expect("written");
        file
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn site(rules: &str) -> Arc<Site> {
    Arc::new(config::parse(&format!("{SITE}{rules}"), Path::new("/site/s.toml")).expect("a good site").site)
}

/// A value of `d/p` a minute.
fn minutes(values: impl IntoIterator<Item = f64>) -> String {
    let mut csv = String::from("time,point,value\n");
    for (n, value) in values.into_iter().enumerate() {
        let _ = writeln!(csv, "{},d/p,{value}", BEGIN + n as i64 * MINUTE);
    }
    csv
}

fn asked(rules: &str, with: Option<&str>) -> Asked {
    Asked { site: site(rules), with: with.map(site), from: None, to: None }
}

fn replay(asked: &Asked, csv: &Path) -> Report {
    run(asked, Past::csv(csv, "Asia/Shanghai").expect("good files"), &mut |_| {}).expect("a report")
}

/// An hour at 20, then a fall of 0.05 a minute to 8, there for a while, and back.
fn leak() -> impl Iterator<Item = f64> {
    let fall = (0..240).map(|n| 20.0 - 0.05 * f64::from(n));
    std::iter::repeat_n(20.0, 60).chain(fall).chain(std::iter::repeat_n(8.0, 30)).chain(std::iter::repeat_n(20.0, 60))
}

#[test]
fn a_leak_is_foretold_and_the_lead_is_what_lies_between() {
    let dir = Dir::new("leak");
    let report = replay(&asked(&format!("{LOW}{TREND}"), None), &dir.file("a.csv", &minutes(leak())));
    assert_eq!((report.rules.alarms, report.rules.flips, report.data.readings), (2, 0, 390));
    let score = report.rules.warnings.clone().expect("a rule warns");
    assert_eq!((score.came_true, score.wrong, score.late, score.open), (1, 0, 0, 0));
    let lead = score.lead_ms.expect("one came true").median;
    assert!((30 * 60_000..=120 * 60_000).contains(&lead), "a lead of {lead} ms");
    let row = report.rules.rows.items.iter().find(|row| row.rule == "low").expect("it rang");
    // 10 is reached 200 minutes into the fall, and it is over when the value is back.
    assert_eq!((row.alarms, row.standing_ms, row.stands_at_end), (1, 70 * 60_000, false));
    assert_eq!(report.rules.worst_hour.expect("they rang").alarms, 1);
    let (zh, en) = (text(&report, Lang::Zh), text(&report, Lang::En));
    assert!(zh.contains("应验 1 次") && en.contains("1 came true") && en.contains("2026-01-31"), "{zh}\n{en}");
}

#[test]
fn what_other_rules_would_change_is_told_by_alarm() {
    let dir = Dir::new("with");
    let csv = dir.file("a.csv", &minutes(leak().chain([9.0, 20.0, 20.0])));
    let later = LOW.replace("limit = 10", "limit = 8.5").replace("\"high\"", "\"critical\"");
    let other = "[[rule]]\nid = \"quick\"\npoint = \"d/p\"\nhigh = { limit = 19.9, clear = 19 }\n";
    let report = replay(&asked(LOW, Some(&format!("{later}{other}"))), &csv);
    let difference = report.difference.clone().expect("two sets of rules");
    assert_eq!(difference.rules_added, ["quick"]);
    let only = |list: &data::Listed<compare::Only>| list.items.iter().map(|only| only.rule.clone()).collect::<Vec<_>>();
    // The dip to 9 is none with the lower limit.
    assert_eq!(only(&difference.only_old), ["low"]);
    assert_eq!(only(&difference.only_new), ["quick", "quick", "quick"]);
    let moved = difference.later.items.first().expect("the leak is called later");
    assert_eq!((moved.by_ms, moved.old_priority, moved.new_priority), (30 * 60_000, "high", "critical"));
    assert_eq!((difference.later.count, difference.priority.count, difference.same), (1, 1, 0));
    assert!(text(&report, Lang::En).contains("+30 min  high → critical"), "{}", text(&report, Lang::En));
}

#[test]
fn the_same_past_gives_the_same_bytes() {
    let dir = Dir::new("same");
    let csv = dir.file("a.csv", &minutes(leak().map(|value| value + (value * 7.0).sin())));
    let asked = asked(&format!("{LOW}{TREND}"), Some(LOW));
    let once = replay(&asked, &csv);
    for _ in 0..3 {
        let again = replay(&asked, &csv);
        assert_eq!(again.json(), once.json());
        assert_eq!(text(&again, Lang::Zh), text(&once, Lang::Zh));
    }
}

#[test]
fn what_comes_and_goes_is_called_a_flip_and_where_nothing_is_a_hole() {
    let dir = Dir::new("flips");
    let mut csv = String::from("time,point,value,quality\n");
    for n in 0..40 {
        let value = if n % 2 == 0 { 5 } else { 15 };
        let _ = writeln!(csv, "{},d/p,{value},good", BEGIN + n * 10_000);
    }
    let _ = writeln!(csv, "{},d/p,15,good", BEGIN + 5 * 3_600_000);
    let report = replay(&asked(LOW, None), &dir.file("a.csv", &csv));
    let row = report.rules.rows.items.first().expect("it rang");
    assert_eq!((row.alarms, row.flips, row.chatters), (20, 19, 1));
    assert_eq!(report.rules.floods.count, 1);
    assert_eq!(report.rules.worst_hour, Some(report::Hour { at: BEGIN, alarms: 20 }));
    let hole = data::Span { from: BEGIN + 390_000, to: BEGIN + 5 * 3_600_000 };
    assert_eq!(report.data.holes.items, [hole]);
    assert_eq!(report.data.point_holes.count, 0, "it is told once");
    assert_eq!(report.data.unheard.items, ["d/q"]);
}

#[test]
fn a_rule_in_shadow_is_told_apart_and_counts_for_nothing() {
    let dir = Dir::new("shadow");
    let csv = dir.file("a.csv", &minutes(leak()));
    let report = replay(&asked(&LOW.replace("[[rule]]\n", "[[rule]]\nshadow = true\n"), None), &csv);
    let row = report.rules.rows.items.first().expect("it did something");
    assert_eq!((report.rules.alarms, report.rules.worst_hour, row.alarms, row.shadow), (0, None, 1, true));
}

#[test]
fn the_export_is_read_back_and_points_nobody_knows_are_told() {
    let dir = Dir::new("export");
    let csv = "time,time_ns,device,point,value,unit,quality,reason\r\n\
               2026-01-31T00:01:00Z,1769817660000000000,\"d\",p,9.5,MPa,good,\r\n\
               2026-01-31T00:00:00Z,1769817600000000000,d,p,20,MPa,good,\r\n\
               2026-01-31T00:02:00Z,1769817720000000000,d,p,,MPa,bad,comm\r\n\
               2026-01-31T00:03:00Z,1769817780000000000,\"e\",\"x\",1,,uncertain,clock\r\n";
    dir.file("b.csv", csv);
    dir.file("notes.txt", "not this");
    let report = replay(&asked(LOW, None), &dir.0);
    assert_eq!((report.data.readings, report.rules.alarms), (4, 1));
    assert_eq!(report.data.unknown.items, ["e/x"]);
    let row = report.rules.rows.items.first().expect("it rang");
    assert!(row.stands_at_end, "a fault ends no alarm");
}

#[test]
fn what_is_wrong_in_a_file_is_told_at_its_line() {
    let dir = Dir::new("wrong");
    let told = |csv: &str| Past::csv(&dir.file("x.csv", csv), "Asia/Shanghai").expect_err("it is wrong");
    for (csv, line, why) in [
        ("", 1, "empty"),
        ("when,point,value\n", 1, "no column `time`"),
        ("time,point,value\n2026-01-31T00:00:00Z,d/p,1\nyesterday,d/p,1\n", 3, "is no time"),
        ("time,point,value\n1,d/p,much\n", 2, "is no value"),
        ("time,point,value\n1,p,1\n", 2, "no device/point"),
        ("time,point,value\n1,d/p\n", 2, "2 fields"),
        ("time,point,value,quality\n\n1,d/p,1,fine\n", 3, "is no quality"),
        ("time,point,value,quality,reason\n1,d/p,1,bad,tired\n", 2, "is no reason"),
        ("time,point,value\n1,\"d/p,1\n", 2, "does not end"),
    ] {
        let told = told(csv);
        assert!(told.contains(&format!("x.csv:{line}: ")) && told.contains(why), "{csv:?}: {told}");
    }
    std::fs::write(dir.0.join("x.csv"), b"time,point,value\n1,d/\xb1,1\n").expect("written");
    assert!(Past::csv(&dir.0.join("x.csv"), "UTC").expect_err("GBK").contains("x.csv:2: this is not UTF-8"));
    assert!(Past::csv(&dir.0.join("nowhere"), "UTC").expect_err("no file").contains("nowhere"));
    let nothing = Asked { from: Some(BEGIN), ..asked(LOW, None) };
    let past = Past::csv(&dir.file("x.csv", "time,point,value\n1,d/p,1\n"), "UTC").expect("a good file");
    assert!(run(&nothing, past, &mut |_| {}).expect_err("too early").contains("no reading in that time"));
}

#[test]
fn what_is_no_number_is_bad_and_raises_nothing() {
    let dir = Dir::new("odd");
    let csv = "time,point,value\n1769788800,d/p,NaN\n1769788860,d/p,-inf\n1769788920,d/p,\n1769788980,d/p,1e308\n";
    let report = replay(&asked(LOW, None), &dir.file("a.csv", csv));
    assert_eq!((report.data.readings, report.rules.alarms), (4, 0));
}

#[test]
fn only_a_part_of_the_past_is_called_one_with_its_times() {
    let asked = asked(LOW, None);
    let catalog = Catalog::default();
    let points = points_of(&asked.site, &catalog);
    let mut data = Data::new(&catalog, BEGIN, &[points], Vec::new());
    let arrival = |minute: i64| {
        let at = BEGIN + minute * MINUTE;
        let reading = gengfu_core::reading::Reading {
            point: PointId(0),
            at: gengfu_core::time::Wall(at),
            value: 1.0,
            quality: gengfu_core::quality::Quality::Good,
        };
        crate::journal::Arrival { reading, came: at, delivery: gengfu_core::reading::Delivery::Live }
    };
    for (minutes, thinned, lost) in [([0, 1], 0, 0), ([60, 61], 5, 1), ([120, 121], 2, 0), ([180, 181], 0, 0)] {
        data.take(&Part { arrivals: minutes.map(arrival).to_vec(), thinned, lost });
    }
    data.close();
    let told = data.told();
    let span = data::Span { from: BEGIN + 60 * MINUTE, to: BEGIN + 121 * MINUTE };
    assert_eq!((told.thinned, told.lost), (Some(data::Thinned { given_up: 7, span }), 1));
}

#[test]
fn the_time_that_is_asked_for_is_cut_and_what_stood_before_says_so() {
    let dir = Dir::new("cut");
    let csv = dir.file("a.csv", &minutes(leak()));
    let hour = 60 * MINUTE;
    // The limit is reached 260 minutes in; the clear comes at 330.
    let cut = Asked { from: Some(BEGIN + 290 * MINUTE), to: Some(BEGIN + 5 * hour), ..asked(LOW, None) };
    let report = replay(&cut, &csv);
    assert_eq!(report.data.first, BEGIN + 290 * MINUTE);
    assert_eq!(report.data.readings, 10);
    let row = report.rules.rows.items.first().expect("it stood before");
    assert_eq!((row.alarms, row.stood_before, row.stands_at_end), (0, true, true));
    assert_eq!(row.standing_ms, 9 * 60_000);
}

#[test]
fn what_learns_is_told_until_when_and_what_was_not_heard_yet_was_not_silent() {
    let dir = Dir::new("learning");
    let safe = SITE.replacen("name = \"q\"", "name = \"q\"\nlife_safety = true", 1);
    let rules = "[[rule]]\nid = \"soon\"\npoint = \"d/p\"\n\
                 drift = { side = \"low\", shift = 5, resolution = 1, block = \"10m\", learn = \"2h\" }\n\
                 [[rule]]\nid = \"never\"\npoint = \"d/p\"\ndrift = { side = \"low\", shift = 5, resolution = 1 }\n";
    let site = Arc::new(config::parse(&format!("{safe}{rules}"), Path::new("/site/s.toml")).expect("a good site").site);
    let mut csv = minutes(std::iter::repeat_n(20.0, 400));
    // The other point is added after five hours, and then lost.
    for n in 300..310 {
        let _ = writeln!(csv, "{},d/q,1", BEGIN + n * MINUTE);
    }
    let heard = Asked { site, with: None, from: None, to: None };
    let report = replay(&heard, &dir.file("a.csv", &csv));
    let told: Vec<_> = report.rules.learning.items.iter().map(|one| (one.rule.as_str(), one.taught)).collect();
    let [("never", None), ("soon", Some(taught))] = told.as_slice() else { panic!("{told:?}") };
    assert!((BEGIN + 120 * MINUTE..=BEGIN + 400 * MINUTE).contains(taught), "{taught}");
    let rows: Vec<_> = report.rules.rows.items.iter().map(|row| (row.rule.as_str(), row.point.as_str())).collect();
    assert_eq!(rows, [("gengfu/no-data", "d/q")], "once, after it had been heard");
    assert!(report.rules.rows.items[0].standing_ms < 91 * 60_000, "{:?}", report.rules.rows);
    assert_eq!(report.rules.a_day, None, "of less than a day");
    // The same point, dead when it was heard first.
    let dead = csv.replace(",d/q,1\n", ",d/q,\n");
    let report = replay(&heard, &dir.file("a.csv", &dead));
    let rows: Vec<_> = report.rules.rows.items.iter().map(|row| (row.rule.as_str(), row.stands_at_end)).collect();
    assert_eq!(rows, [("gengfu/no-data", true)]);
    let lost = report.rules.rows.items[0].standing_ms;
    assert!((98 * 60_000..=100 * 60_000).contains(&lost), "from its first word on: {lost}");
    let en = text(&report, Lang::En);
    assert!(en.contains("it judged nothing") && !en.contains(" a day)"), "{en}");
}
