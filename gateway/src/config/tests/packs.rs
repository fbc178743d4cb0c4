//! Rules that come from packs.

use super::super::pack::outside::{From, Signed};
use super::super::pack::sign::Signer;
use super::super::pack::{self, EMBEDDED};
use super::*;

/// Points of a kitchen, a pump room and an exit.
const POINTS: &str = r#"
[site]
id = "s"
[[mqtt]]
name = "m"
connect = "mqtt://127.0.0.1"
[[mqtt.subscribe]]
topic = "gas/+"
device = "gas-{1}"
[[mqtt.subscribe.point]]
name = "ch4"
value = ""
unit = "%LEL"
range = [0.0, 100.0]
[[mqtt.subscribe]]
topic = "hall"
device = "hall"
[[mqtt.subscribe.point]]
name = "pressure"
value = ""
unit = "MPa"
[[mqtt.subscribe]]
topic = "lift"
device = "lift"
[[mqtt.subscribe.point]]
name = "off"
value = "/off"
[[mqtt.subscribe.point]]
name = "doors"
value = "/doors"
"#;

fn on_points(rules: &str) -> String {
    format!("{POINTS}{rules}")
}

/// Complaints on a file with these rules; places are not looked at.
fn told(rules: &str) -> String {
    show(&parse(&on_points(rules), file()).err().unwrap_or_default())
}

fn ids(loaded: &Loaded) -> Vec<&str> {
    loaded.site.rules.iter().map(|rule| rule.id.as_str()).collect()
}

#[test]
fn the_example_of_the_design_uses_a_pack() {
    let loaded = good(&on_points("[[rule]]\nuse = \"gas-commercial\"\npoints = \"gas-*/ch4\"\n"));
    assert_eq!(ids(&loaded), ["gas-commercial/combustible", "gas-commercial/combustible-rising"]);
    let rule = &loaded.site.rules[0];
    assert_eq!(rule.points, ["gas-*/ch4"]);
    assert_eq!(rule.basis.as_deref(), Some("GB/T 50493-2019"), "the clause behind its limit");
    let Params::Limit(params) = rule.detector else { panic!("{:?}", rule.detector) };
    assert_eq!((params.first.limit, params.second.map(|level| level.limit)), (25.0, Some(50.0)));
    assert_eq!(rule.levels.iter().map(|level| level.latch).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_the_site_sets_lies_on_top_and_each_value_says_where_it_is_from() {
    let rules = "[[rule]]\nid = \"hall\"\nuse = \"water-supply\"\npoints = { hydrant = \"hall/pressure\" }\n\
        without = \"hydrant-frozen\"\n[rule.set.hydrant-low]\nlow = { limit = 0.07, clear = 0.09, clear_for = \"1m\" }\n\
        priority = \"critical\"\nadvice = \"call us\"\n[rule.set.hydrant-falling]\nshadow = true\ntrend = { limit = 0.07 }\n";
    let loaded = good(&on_points(rules));
    assert_eq!(ids(&loaded), ["hall/hydrant-low", "hall/hydrant-none", "hall/hydrant-falling"]);
    let low = &loaded.site.rules[0];
    let level = limit::Level { limit: 0.07, clear: 0.09, on_ms: 30_000, off_ms: 60_000 };
    assert_eq!(low.detector, Params::Limit(limit::Params { side: limit::Side::Low, first: level, second: None }));
    assert_eq!((low.levels[0].priority, low.advice.as_deref()), (Priority::Critical, Some("call us")));
    assert_eq!(low.basis.as_deref(), Some("GB 50974-2014 5.3.3"));
    assert_eq!(loaded.site.rules.iter().map(|rule| rule.shadow).collect::<Vec<_>>(), [false, false, true]);
    let values: Vec<String> = loaded.origins[0].values.iter().map(ToString::to_string).collect();
    let line = on_points(rules).lines().position(|line| line.starts_with("low")).unwrap() + 1;
    assert_eq!(
        values,
        [
            format!(
                "limit 0.07: the site, line {line} (GB 50974-2014 5.2.2 [V]: roof tank, residential, class-2 or multi-storey \
                 public); the pack has 0.15, GB 50974-2014 5.3.3 [V]"
            ),
            format!("clear 0.09: the site, line {line}; the pack has 0.16, [D]"),
            "for 30s: [D]".to_owned(),
            format!("clear_for 1m: the site, line {line}"),
        ]
    );
    // Where a line stands is no part of a rule: a reload leaves it alone.
    let moved = good(&on_points(&format!("\n\n{rules}")));
    assert_eq!(moved.site.rules, loaded.site.rules);
}

#[test]
fn one_level_that_is_set_lies_on_the_first_of_two() {
    let rules = |set: &str| {
        format!("[[rule]]\nuse = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nset = {{ combustible = {{ {set} }} }}\n")
    };
    let limits = |set: &str| {
        let loaded = good(&on_points(&rules(set)));
        let Params::Limit(params) = loaded.site.rules[0].detector else { panic!("a limit") };
        let keys: Vec<_> =
            loaded.origins[0].values.iter().map(|given| format!("{} {}", given.key, given.value)).collect();
        (params.first.limit, params.second.map(|level| level.limit), keys)
    };
    let keys = |first: &str, second: &str| {
        let own = [("1.limit", first), ("1.clear", "15"), ("2.limit", second), ("2.clear", "40.0")];
        own.map(|(key, value)| format!("{key} {value}")).to_vec()
    };
    assert_eq!(limits("high = { limit = 20, clear = 15 }"), (20.0, Some(50.0), keys("20", "50.0")));
    assert_eq!(limits("high = [{ limit = 20, clear = 15 }, { limit = 45 }]"), (20.0, Some(45.0), keys("20", "45")));
}

#[test]
fn rules_of_a_pack_hang_on_each_other_as_far_as_they_are_there() {
    let with = good(&on_points(
        "[[rule]]\nuse = \"elevators\"\npoints = { door-fault = \"lift/doors\", mains-off = \"lift/off\" }\n",
    ));
    let by = with.site.rules[0].suppressed_by.as_ref().map(|by| (by.rule.as_str(), by.same));
    assert_eq!(by, Some(("elevators/mains-off", Scope::Device)));
    let without = good(&on_points("[[rule]]\nuse = \"elevators\"\npoints = { door-fault = \"lift/doors\" }\n"));
    assert_eq!(without.site.rules[0].suppressed_by, None);
}

#[test]
fn what_is_wrong_is_said_where_the_pack_is_used() {
    let cases = [
        (
            "use = \"gas-comercial\"\npoints = \"gas-*/ch4\"",
            "there is no pack `gas-comercial`; did you mean `gas-commercial`",
        ),
        ("use = \"water-supply\"\npoints = \"hall/pressure\"", "has rules for several parts: hydrant, "),
        ("use = \"water-supply\"\npoints = { hydrnt = \"hall/pressure\" }", "no part `hydrnt`; did you mean `hydrant`"),
        ("use = \"water-supply\"\npoints = { hydrant = \"hall/presure\" }", "there is no point `hall/presure`"),
        (
            "use = \"water-supply\"\npoints = { hydrant = \"gas-*/ch4\" }",
            "the rule is in MPa, but `gas-*/ch4` is in %LEL",
        ),
        ("use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nwithout = \"x\"", "`gas-commercial` has no rule `x`"),
        (
            "use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nset = { combustibl = {} }",
            "no rule `combustibl`; did you mean",
        ),
        (
            "use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nset = { combustible = { points = \"x/y\" } }",
            "`points` of a pack's rule is not the site's to set",
        ),
        (
            "use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nset = { combustible = { high = { limt = 20 } } }",
            "unknown key `limt`",
        ),
        (
            "use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nset = { combustible = { high = { limit = 15 } } }",
            "as the pack has it, `clear` is 20, above the limit 15: the alarm would end inside the danger; put it at or below \
             15; in `set`, for this rule",
        ),
        ("use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nlow = { limit = 1 }", "unknown key `low`"),
        ("use = \"gas-commercial\"", "`point` is missing"),
        (
            "use = \"gas-commercial\"\npoints = \"gas-*/ch4\"\nwithout = [\"combustible\", \"combustible-rising\"]",
            "no rule of `gas-commercial` is left",
        ),
    ];
    for (rule, words) in cases {
        let told = told(&format!("[[rule]]\n{rule}\n"));
        assert!(told.contains(words), "{rule}\n{told}");
        assert!(told.lines().all(|line| line.starts_with("/site/gengfu.toml:")), "{told}");
    }
}

#[test]
fn every_pack_of_the_binary_is_good_and_every_number_of_it_has_a_source() {
    for embedded in EMBEDDED {
        let pack = pack::parse(embedded.text, Path::new(&format!("{}.toml", embedded.name)));
        let pack = pack.unwrap_or_else(|complaints| panic!("{}", show(&complaints)));
        let used =
            |part: &str| pack.rules.iter().any(|rule| rule.part == part || rule.beside.iter().any(|b| b == part));
        assert!(pack.parts.iter().all(|part| used(&part.name)), "{}", pack.name);
        let advice = embedded.text.lines().filter(|line| line.starts_with("advice"));
        for line in advice {
            assert!(line.contains(" / "), "{}: in both languages: {line}", pack.name);
        }
    }
}

#[test]
fn a_rule_that_looks_at_another_part_has_the_point_of_the_site() {
    let lifts = |points: &str| {
        let subscribed = ["a", "b"].map(|lift| {
            let point = |name: &str| format!("[[mqtt.subscribe.point]]\nname = \"{name}\"\nvalue = \"/{name}\"\n");
            let points = ["reopens", "trips", "runs"].map(point).concat();
            format!("[[mqtt.subscribe]]\ntopic = \"lift-{lift}\"\ndevice = \"lift-{lift}\"\n{points}")
        });
        on_points(&format!("{}[[rule]]\nuse = \"elevators\"\npoints = {{ {points} }}\n", subscribed.concat()))
    };
    let beside = |points: &str| {
        let loaded = good(&lifts(points));
        let rule = loaded.site.rules.iter().find(|rule| rule.id == "elevators/door-reopens-rising");
        rule.map(|rule| rule.beside.clone())
    };
    assert_eq!(beside("door-reopens = \"lift-*/reopens\", trips = \"lift-*/trips\""), Some(vec!["trips".to_owned()]));
    let two = "door-reopens = \"lift-*/reopens\", trips = [\"lift-a/runs\", \"lift-b/runs\"]";
    assert_eq!(beside(two), Some(vec!["runs".to_owned()]));
    let one = "door-reopens = \"lift-a/reopens\", trips = \"lift-b/trips\"";
    assert_eq!(beside(one), Some(vec!["lift-b/trips".to_owned()]));
    assert_eq!(beside("door-reopens = \"lift-*/reopens\""), None, "without the other part there is no such rule");
    let odd = "door-reopens = \"lift-*/reopens\", trips = [\"lift-a/trips\", \"lift-b/runs\"]";
    let told = show(&parse(&lifts(odd), file()).err().unwrap_or_default());
    assert!(told.contains("these have several names") && told.contains("use the pack once more"), "{told}");
}

#[test]
fn a_part_that_another_is_told_with_has_its_unit_too() {
    let boxes = |unit: &str| {
        let point = |name: &str, unit: &str| {
            format!("[[mqtt.subscribe.point]]\nname = \"{name}\"\nvalue = \"/{name}\"\nunit = \"{unit}\"\n")
        };
        let points = point("heat", "°C") + &point("load", unit);
        let subscribed = format!("[[mqtt.subscribe]]\ntopic = \"box\"\ndevice = \"box\"\n{points}");
        let rule = "[[rule]]\nuse = \"electrical-fire\"\npoints = { cable = \"box/heat\", load = \"box/load\" }\n";
        on_points(&format!("{subscribed}{rule}"))
    };
    assert!(ids(&good(&boxes("%"))).contains(&"electrical-fire/cable-clamp"), "°C is ℃");
    let told = show(&parse(&boxes("A"), file()).err().unwrap_or_default());
    assert!(told.contains("the rule is in %, but `box/load` is in A; bring the point to % by its `scale`"), "{told}");
}

#[test]
fn a_rule_that_is_set_or_half_there_without_points_is_told() {
    let told = |rules: &str| good(&on_points(rules)).warnings.into_iter().map(|w| w.what).collect::<Vec<_>>();
    let idle = "[[rule]]\nuse = \"water-supply\"\npoints = { hydrant = \"hall/pressure\" }\n\
        [rule.set.tank-low]\nlow = { limit = 80, clear = 85 }\n";
    assert_eq!(told(idle), ["`tank-low` is set and not in force: nothing here is `tank`"]);
    let half = "[[rule]]\nuse = \"elevators\"\npoints = { door-reopens = \"lift/doors\" }\n";
    assert_eq!(told(half), ["`door-reopens-rising` is left out: it looks at `trips`, and nothing here is that"]);
    assert!(told(&format!("{half}without = [\"door-reopens-rising\"]\n")).is_empty());
}

#[test]
fn who_moves_a_limit_and_forgets_its_trend_is_told() {
    let rules = "[[rule]]\nuse = \"water-supply\"\npoints = { hydrant = \"hall/pressure\" }\n\
        [rule.set.hydrant-low]\nlow = { limit = 0.07, clear = 0.09 }\n";
    let told = |text: &str| -> Vec<String> {
        good(&on_points(text))
            .warnings
            .into_iter()
            .map(|warning| warning.what)
            .filter(|what| what.contains("still"))
            .collect()
    };
    let words =
        "`water-supply/hydrant-low` is at 0.07 here, and `water-supply/hydrant-falling` still at the pack's 0.15";
    assert_eq!(told(rules), [words]);
    assert!(told(&format!("{rules}[rule.set.hydrant-falling]\ntrend = {{ limit = 0.07 }}\n")).is_empty());
}

/// A pack that somebody wrote.
const OURS: &str = r#"
[pack]
name = "ours"
title = "ours"
edition = "1"
effective = "2026-12-01"
main = "gas"
[part]
gas = { what = "gas", unit = "%LEL" }
[[rule]]
id = "r"
for = "gas"
high = { limit = 10, clear = 8 }
source = [{ of = "limit", clause = "house rule 7", mark = "D" }, { of = "clear", mark = "D" }]
"#;

#[test]
fn a_pack_that_is_wrong_is_refused_at_its_line() {
    let cases = [
        ("name = \"ours\"", "name = \"theirs\"", "the pack is named `theirs`, and its file `ours`"),
        ("effective = \"2026-12-01\"", "effective = \"soon\"", "which is no day"),
        ("for = \"gas\"", "for = \"water\"", "there is no part `water`"),
        (", { of = \"clear\", mark = \"D\" }", "", "`clear` has no source"),
        ("of = \"clear\"", "of = [\"clear\", \"for\"]", "a source speaks of `for`"),
        ("mark = \"D\" }, ", "mark = \"X\" }, ", "`mark` cannot be \"X\""),
        ("clear = 8", "clear = 12", "the alarm would end inside the danger"),
        ("high = { limit = 10, clear = 8 }", "vote = { of = [\"r\"], need = 1 }", "a pack can't hold a vote"),
    ];
    for (from, to, words) in cases {
        assert!(OURS.contains(from), "{from}");
        let told = show(&pack::parse(&OURS.replace(from, to), Path::new("ours.toml")).err().unwrap_or_default());
        assert!(told.contains(words) && told.starts_with("ours.toml:"), "{to}: {told}");
    }
}

#[test]
fn a_pack_from_outside_is_taken_with_a_good_signature_and_not_without() {
    let folder = std::env::temp_dir().join(format!("gengfu-packs-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("packs")).unwrap();
    let (signer, stranger) = (Signer::of_seed([1; 32]), Signer::of_seed([2; 32]));
    let text = on_points(&format!(
        "[[rule]]\nuse = \"ours\"\npoints = \"gas-*/ch4\"\n[packs]\ntrust = [\"{}\"]\n",
        signer.public()
    ));
    let site = folder.join("site.toml");
    let lay = |text: &str, signature: Option<&str>| {
        let (file, beside) = Signed::files(&folder.join("packs"), "ours");
        std::fs::write(file, text).unwrap();
        match signature {
            Some(signature) => std::fs::write(beside, signature).unwrap(),
            None => drop(std::fs::remove_file(beside)),
        }
    };
    let told = || show(&parse(&text, &site).err().unwrap_or_default());
    assert!(told().contains("there is no pack `ours`"), "{}", told());
    let elsewhere = text.replace("[packs]\n", "[packs]\npath = \"unmounted\"\n");
    let gone = show(&parse(&elsewhere, &site).err().unwrap_or_default());
    assert!(gone.contains("unmounted is not there: correct `path` in [packs], or mount it"), "{gone}");
    lay(OURS, Some(&signer.sign(OURS.as_bytes())));
    let loaded = parse(&text, &site).unwrap_or_else(|complaints| panic!("{}", show(&complaints)));
    assert_eq!((ids(&loaded), loaded.outside.len()), (vec!["ours/r"], 1));
    let moved = OURS.replace("limit = 10", "limit = 90");
    lay(&moved, Some(&signer.sign(OURS.as_bytes())));
    assert!(told().contains("ours.toml is not signed by a key of `trust`"), "{}", told());
    lay(&moved, Some(&stranger.sign(moved.as_bytes())));
    assert!(told().contains("is not signed by a key of `trust`"), "{}", told());
    lay(&moved, None);
    assert!(told().contains("has no signature that can be read"), "{}", told());
    // What was good goes on, without what lies on the disk now; a copy that was tampered with does not.
    let kept = parse_kept(&text, &site, &loaded.outside).unwrap_or_else(|complaints| panic!("{}", show(&complaints)));
    assert_eq!(kept.site, loaded.site);
    let forged = [Signed { text: moved, ..loaded.outside[0].clone() }];
    assert!(parse_kept(&text, &site, &forged).is_err());
    // Without [packs] nothing is read; a signed pack of a name of the binary wins.
    assert!(show(&parse(&text.replace("[packs]", "[site2]"), &site).unwrap_err()).contains("there is no pack `ours`"));
    let gas = OURS.replace("ours", "gas-commercial");
    let (file, beside) = Signed::files(&folder.join("packs"), "gas-commercial");
    std::fs::write(file, &gas).unwrap();
    std::fs::write(beside, signer.sign(gas.as_bytes())).unwrap();
    let loaded = parse(&text.replace("\"ours\"", "\"gas-commercial\""), &site).unwrap();
    assert_eq!(ids(&loaded), ["gas-commercial/r"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_name_that_leaves_the_directory_is_no_pack_and_a_key_must_be_one() {
    let key = Signer::of_seed([1; 32]).public();
    let trust = |keys: &str| format!("[[rule]]\nuse = \"../site\"\npoints = \"gas-*/ch4\"\n[packs]\ntrust = {keys}\n");
    assert!(told(&trust(&format!("[\"{key}\"]"))).contains("there is no pack `../site`"));
    assert!(told(&trust("[\"abc\"]")).contains("\"abc\" is no Ed25519 public key"));
    assert!(told(&trust("[]")).contains("`trust` has 0 keys"));
    assert!(told("[packs]\npath = \"p\"\n").contains("`trust` is missing in [packs]"));
}

#[test]
fn a_scenario_that_is_wrong_is_refused_at_its_line() {
    let good = EMBEDDED.iter().find(|pack| pack.name == "fire-lanes").unwrap().scenario;
    let cases = [
        ("true for 2m", "true four 2m", "is no stretch of a series"),
        ("at = \"11m\"", "at = \"9h\"", "not in order of time"),
        (
            "point = \"yard/occupied\"\nvalues = [\"true for 2m\"",
            "point = \"yard/ocupied\"\nvalues = [\"true for 2m\"",
            "no point `yard/ocupied`",
        ),
        ("use = \"fire-lanes\"", "use = \"fire-lane\"", "there is no pack `fire-lane`"),
        ("[[point]]\nname = \"yard/battery\"", "[[pont]]\nname = \"yard/battery\"", "unknown key `pont`"),
    ];
    for (from, to, words) in cases {
        assert!(good.contains(from), "{from}");
        let told = show(&scenario(&good.replace(from, to), Path::new("s.toml"), From::Disk).err().unwrap_or_default());
        assert!(told.contains(words) && told.starts_with("s.toml:"), "{to}: {told}");
    }
}
