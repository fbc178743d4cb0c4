//! Files that are wrong, each with the place and the words of its complaint.

use super::*;

/// Finds the marks in a text and takes them out: what is left, and their (line, column).
fn unmark(text: &str) -> (String, Vec<(usize, usize)>) {
    let (mut line, mut column, mut places) = (1, 1, Vec::new());
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '^' => {
                places.push((line, column));
                continue;
            }
            '\n' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        plain.push(c);
    }
    (plain, places)
}

/// Complaints must be as many as there are marks, stand at them, and the n-th must say the n-th words (separated by
/// `|`, all of them).
fn refused(text: &str, words: &[&str]) {
    let (plain, places) = unmark(text);
    let complaints = parse(&plain, file()).err().unwrap_or_default();
    let found: Vec<_> = complaints.iter().map(|c| (c.line, c.column)).collect();
    assert_eq!(found, places, "{plain}\n{}", show(&complaints));
    assert_eq!(words.len(), places.len(), "words for every mark\n{}", show(&complaints));
    for (complaint, words) in complaints.iter().zip(words) {
        for word in words.split('|') {
            assert!(complaint.to_string().contains(word), "`{word}` is not in\n{complaint}");
        }
    }
}

/// The base with one text replaced; the replacement bears the mark.
fn with(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from} is in the base");
    BASE.replacen(from, to, 1)
}

/// The base and something after it.
fn and(more: &str) -> String {
    format!("{BASE}{more}")
}

/// A rule on the pressure, with this in it.
fn rule(body: &str) -> String {
    and(&format!("[[rule]]\nid = \"r\"\npoint = \"pump/pressure\"\n{body}\n"))
}

/// The same beside a rule `one` on it.
fn two(body: &str) -> String {
    and(&format!(
        "[[rule]]\nid = \"one\"\npoint = \"pump/pressure\"\nhigh = {{ limit = 1.0 }}\n[[rule]]\nid = \"r\"\npoint = \"pump/pressure\"\n{body}\n"
    ))
}

/// The base and a store that lacks its URL.
fn store(rest: &str) -> String {
    let head = "[[forward.influxdb]]\nname = \"c\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = \"t\"\n";
    and(&format!("{head}{rest}\n"))
}

/// The base and a webhook that lacks its URL.
fn hook(rest: &str) -> String {
    and(&format!("[[notify.webhook]]\nname = \"d\"\n{rest}\n"))
}

/// The base and an uplink that lacks its broker.
fn uplink(rest: &str) -> String {
    and(&format!("[[forward.mqtt]]\nname = \"c\"\n{rest}\n"))
}

/// One named test a case, so that a failure says which mistake is not told.
macro_rules! cases {
    ($($name:ident: $text:expr => [$($words:expr),+ $(,)?];)+) => {
        $(#[test]
        fn $name() {
            let text: String = $text.into();
            refused(&text, &[$($words),+]);
        })+
    };
}

cases! {
    // Labels.
    an_empty_label: with("unit = 1\n", "unit = 1\nlabel = ^\" \"\n") => ["`label` is empty|leave the key out"];
    a_label_on_two_lines: with("unit = 1\n", "unit = 1\nlabel = ^\"a\\nb\"\n") => ["control characters"];
    a_label_nobody_can_read: with("unit = 1\n", &format!("unit = 1\nlabel = ^\"{}\"\n", "泵".repeat(81))) => ["longer than 80"];
    a_label_of_a_point_that_is_a_number: with("\"coil:3\"\n", "\"coil:3\"\nlabel = ^7\n") => ["`label` must be text"];
    one_word_for_two_states: with("\"coil:3\"\n", "\"coil:3\"\nwords = ^[\"停 / stopped\"]\n") => ["has 1 of them|0 on"];
    a_word_that_is_empty: with("\"coil:3\"\n", "\"coil:3\"\nwords = [\"停\", ^\"\"]\n") => ["`words` is empty"];
    a_word_that_is_a_sentence: with("\"coil:3\"\n", &format!("\"coil:3\"\nwords = [\"停\", ^\"{}\"]\n", "运".repeat(41)))
        => ["longer than 40"];
    words_that_are_no_list: with("\"coil:3\"\n", "\"coil:3\"\nwords = ^\"停\"\n") => ["must be a list"];
    words_of_a_measured_value: with("range = [0, 2.5]", "words = ^[\"低\", \"高\"]") => ["in MPa|if it is a state"];
    a_label_for_a_device_that_cannot_come: with("expect = [\"gas-01\"]", "labels = { gas-01 = \"一号\", door-1 = ^\"门\" }")
        => ["door-1|gas-*"];
    a_label_of_a_device_that_is_empty: with("expect = [\"gas-01\"]", "labels = { gas-01 = ^\"\" }") => ["`label` is empty"];
    labels_that_are_no_table: with("expect = [\"gas-01\"]", "labels = ^\"一号\"") => ["must be a table"];
    // Not TOML.
    a_string_that_is_not_closed: with("id = \"s\"", "id = \"s^") => ["not TOML|string"];
    a_value_that_is_missing: with("id = \"s\"\n", "id = ^\n") => ["not TOML"];
    text_without_quotes: with("\"tcp://10.0.0.1\"", "^tcp") => ["not TOML|put text between"];
    a_key_given_twice: with("unit = 1", "unit = 1\n^unit = 2") => ["`unit` is given twice|keep one"];
    a_table_given_twice: and("[^site]\n^id = \"t\"\n") => ["`site` is given twice|keep one", "`id` is given twice"];
    two_mistakes_of_syntax_and_one_of_sense:
        with("unit = 1", "unit = ^1x\n^evry = \"1s\"").replace("value = \"\"", "value = \"^")
        => ["not TOML", "unknown key `evry`|did you mean `every`?", "not TOML"];
    a_header_that_is_not_closed: with("[[modbus]]", "[[modbus]^") => ["not TOML|expected `]`"];
    what_cannot_be_read_is_not_missing: with("name = \"pump\"", "name = \"pump^") => ["not TOML"];

    // Keys.
    an_unknown_key_near_a_known_one:
        with("unit = 1", "^uint = 1\nunit = 1")
        => ["unknown key `uint` in [[modbus.device]]|did you mean `unit`?"];
    an_unknown_key_near_nothing:
        with("unit = 1", "unit = 1\n^colour = \"red\"")
        => ["unknown key `colour`|known here: name, unit, every, kind, area, label, point"];
    an_unknown_table:
        and("^[^modbuss]\n").replace("^[", "[")
        => ["unknown key `modbuss` in the file|did you mean `modbus`?"];
    a_flood_that_ends_where_it_begins: and("[alarms.performance]\nflood_above = 10\n^flood_below = 12\n")
        => ["would end where it begins|flood_below = 5"];
    a_flood_without_an_end: and("[alarms.performance]\nflood_below = ^0\n") => ["`flood_below` is 0|from 1"];
    an_alarm_both_fleeting_and_stale: and("[alarms.performance]\n^fleeting = \"2h\"\nstale = \"1h\"\n") => ["would be both"];
    a_word_too_much_of_the_figures: and("[alarms.performance]\n^flood = 10\n") => ["unknown key `flood`"];
    a_warning_of_no_colour: and("[[warning.row]]\nlevel = ^\"purple\"\npriority = \"high\"\n") => ["`level` cannot be|orange"];
    a_warning_for_a_group_that_is_not_there:
        and("[[warning.row]]\nlevel = \"red\"\npriority = \"critical\"\ngroups = [^\"fire\"]\n")
        => ["`groups` cannot be|known: grave"];
    a_warning_for_no_group: and("[[warning.row]]\nlevel = \"red\"\npriority = \"critical\"\ngroups = ^[]\n")
        => ["no alarm would count"];
    a_warning_both_confirmed_and_unseen:
        and("[[warning.row]]\nlevel = \"red\"\npriority = \"high\"\nconfirmed = true\nunseen_for = ^\"5m\"\n")
        => ["not for both|two rows"];
    a_group_that_is_there_anyway: and("[[warning.group]]\nname = ^\"grave\"\nrules = [\"*\"]\n")
        => ["already|grave = [ … ]"];
    a_risk_without_an_amount: and("^[[warning.risk]]\nlevel = \"red\"\n") => ["either `percent` or `points`"];
    a_risk_that_needs_no_row: and("[[warning.risk]]\nlevel = ^\"blue\"\npercent = 1\n") => ["`level` cannot be"];
    risks_that_hide_each_other:
        and("[warning]\n^risk = [{ level = \"red\", percent = 5 }, { level = \"orange\", percent = 5 }]\n")
        => ["it would never be `orange`"];
    an_unknown_sink: and("[[notify.^webhok]]\nname = \"x\"\n") => ["unknown key `webhok`|did you mean `webhook`?"];
    an_unknown_key_of_a_level:
        rule("high = { limit = 1, ^claer = 0.9 }")
        => ["unknown key `claer`|did you mean `clear`?"];
    an_unknown_key_after_chinese:
        rule("advice = \"去看\"\nlow = { limit = 0.1, ^fro = \"1s\" } # 消防")
        => ["did you mean `for`?"];
    a_missing_key:
        with("unit = 1\n", "").replace("[[modbus.device]]", "^[[modbus.device]]")
        => ["`unit` is missing in [[modbus.device]]|add unit = 1"];
    a_missing_site: "^^x = 1\n" => ["no [site]", "unknown key `x`"];
    a_table_where_a_list_belongs:
        BASE.replacen("[[modbus]]", "^[modbus]", 1).replacen("[[modbus.device]]", "[modbus.device]", 1)
        .replacen("[[modbus.device.point]]\nname = \"running\"\nregister = \"coil:3\"\n", "", 1)
        => ["`modbus` must be a list of tables|write [[modbus]], with two brackets"];
    a_value_where_a_table_belongs: "site = ^3\n" => ["`site` must be a table, not 3"];

    // Types.
    a_number_in_quotes: with("unit = 1", "unit = ^\"1\"") => ["`unit` must be a whole number, not \"1\""];
    a_duration_without_unit:
        with("unit = 1", "unit = 1\nevery = ^10")
        => ["`every` must be a duration|every = \"10s\""];
    a_duration_of_another_kind: with("unit = 1", "unit = 1\nevery = ^\"10 sec\"") => ["no duration|ms, s, m, h or d"];
    a_period_too_short: with("unit = 1", "unit = 1\nevery = ^\"9ms\"") => ["`every` is 9ms|from 10ms"];
    life_safety_kept_for_less: and("[journal]\nkeep = \"30d\"\nkeep_life_safety = ^\"29d\"\n") => ["less than `keep`"];
    a_size_without_unit: and("[journal]\nmax_size = ^4\n") => ["no size|4GiB"];
    a_size_too_small: and("[journal]\nmax_size = ^\"1MiB\"\n") => ["no size|at least 16 MiB"];
    a_truth_in_quotes: with("life_safety = true", "life_safety = ^\"yes\"") => ["true or false"];
    an_integer_too_large: with("unit = 1", "unit = ^99999999999999999999") => ["too large"];
    a_date: with("unit = 1", "unit = ^2026-01-01") => ["a date"];

    // Names.
    a_second_line_of_the_same_name:
        and("[[modbus]]\nname = ^\"line\"\nconnect = \"tcp://h\"\ndevice = []\n")
        => ["second line or link named `line`|the first is in line 4"];
    a_link_named_like_a_line:
        with("name = \"lora\"", "name = ^\"line\"")
        => ["second line or link named `line`|line 4"];
    a_second_device_of_the_same_name:
        with("[[mqtt]]", "[[modbus.device]]\nname = ^\"pump\"\nunit = 2\npoint = []\n[[mqtt]]")
        => ["second device named `pump`|line 7"];
    an_mqtt_device_named_like_a_modbus_device:
        with("device = \"gas-{1}\"\nexpect = [\"gas-01\"]", "device = \"{1}\"\nexpect = [^\"pump\"]")
        => ["second device named `pump`|line 7"];
    a_second_point_of_the_same_name:
        with("name = \"running\"", "name = ^\"pressure\"")
        => ["second point named `pump/pressure`|line 10"];
    a_second_mqtt_point_of_the_same_name:
        and("[[mqtt.subscribe.point]]\nname = ^\"ch4\"\nvalue = \"/b\"\n")
        => ["second point named `gas-{1}/ch4`|line 27"];
    a_second_rule_of_the_same_name:
        rule("low = { limit = 1 }") + "[[rule]]\nid = ^\"r\"\npoint = \"pump/running\"\nstate = { is = 1 }\n"
        => ["second rule named `r`|line 31"];
    a_second_webhook_of_the_same_name:
        and("[[notify.webhook]]\nname = \"c\"\nurl = \"http://h\"\n[[notify.webhook]]\nname = ^\"c\"\nurl = \"http://i\"\n")
        => ["second webhook named `c`|line 31"];
    a_device_expected_twice: with("[\"gas-01\"]", "[\"gas-01\", ^\"gas-01\"]") => ["expected twice|line 25"];
    a_name_with_a_blank: with("name = \"pump\"", "name = ^\"pump 1\"") => ["holds ' '|letters"];
    a_name_with_a_slash: with("name = \"running\"", "name = ^\"a/b\"") => ["holds '/'"];
    a_chinese_name: with("name = \"pump\"", "name = ^\"水泵\"") => ["\"水泵\", which holds '水'"];
    an_empty_name: with("id = \"s\"", "id = ^\"\"") => ["is empty"];
    a_name_of_dots: with("name = \"pump\"", "name = ^\"..\"") => ["begins with '.'"];
    a_name_too_long: with("id = \"s\"", &format!("id = ^\"{}\"", "x".repeat(65))) => ["longer than 64"];
    a_point_named_like_a_quality: with("name = \"running\"", "name = ^\"pressure_q\"") => ["`pressure_q`|_q"];
    a_point_named_time: with("name = \"running\"", "name = ^\"time\"") => ["`time`"];
    a_kind_named_alarm: with("unit = 1", "unit = 1\nkind = ^\"alarm\"") => ["alarm events"];

    // Modbus.
    a_serial_line:
        with("\"tcp://10.0.0.1\"", "^\"rtu:///dev/ttyUSB0?baud=9600\"")
        => ["rtu:// is not in this version|tcp://host:port"];
    a_serial_line_behind_a_converter:
        with("\"tcp://10.0.0.1\"", "^\"rtu+tcp://h:1\"")
        => ["rtu+tcp:// is not in this version"];
    another_scheme: with("\"tcp://10.0.0.1\"", "^\"http://h:1\"") => ["cannot be a http:// address|tcp://"];
    no_scheme: with("\"tcp://10.0.0.1\"", "^\"10.0.0.1:502\"") => ["without a scheme|tcp://"];
    a_port_that_is_none: with("\"tcp://10.0.0.1\"", "^\"tcp://10.0.0.1:70000\"") => ["1 to 65535"];
    a_path_behind_a_line: with("\"tcp://10.0.0.1\"", "^\"tcp://10.0.0.1/a\"") => ["has a path"];
    a_unit_beyond_255: with("unit = 1", "unit = ^256") => ["`unit` is 256|0 to 255"];
    a_register_beyond_65535: with("\"input:8\"", "^\"input:65536\"") => ["65536 is beyond 65535"];
    registers_that_end_beyond_65535:
        with("\"input:8\"\ntype = \"u16\"", "^\"input:65535\"\ntype = \"f32\"")
        => ["end beyond 65535"];
    a_register_without_table: with("\"input:8\"", "^\"8\"") => ["without a table|holding:0"];
    a_register_as_a_number: with("\"input:8\"", "^40001") => ["`register` must be text"];
    a_register_of_an_unknown_table:
        with("\"input:8\"", "^\"inputs:8\"")
        => ["no table \"inputs\"|did you mean \"input\"?"];
    a_register_without_number: with("\"input:8\"", "^\"input:x\"") => ["without a number"];
    a_negative_register: with("\"input:8\"", "^\"input:-1\"") => ["without a number"];
    an_unknown_type: with("\"u16\"", "^\"flot32\"") => ["`type` cannot be \"flot32\"|known: bool, u16"];
    a_type_misspelt: with("\"u16\"", "^\"uint16\"") => ["it is called \"u16\""];
    a_bit_beyond_15: with("\"u16\"", "^\"bit:16\"") => ["bits 0 to 15"];
    a_bit_with_a_sign: with("\"u16\"", "^\"bit:+1\"") => ["bits 0 to 15"];
    a_number_in_a_coil: with("\"coil:3\"", "\"coil:3\"\ntype = ^\"u16\"") => ["single bits"];
    an_order_in_a_coil: with("\"coil:3\"", "\"coil:3\"\norder = ^\"cdab\"") => ["`order` says nothing"];
    an_unknown_order: with("\"u16\"", "\"u16\"\norder = ^\"acbd\"") => ["`order` cannot be|abcd, badc, cdab, dcba"];
    a_missing_type:
        with("type = \"u16\"\n", "").replacen("[[modbus.device.point]]", "^[[modbus.device.point]]", 1)
        => ["`type` is missing"];
    a_scale_of_zero: with("scale = 0.001", "scale = ^0") => ["`scale` is 0"];
    a_scale_that_is_not_finite: with("scale = 0.001", "scale = ^inf") => ["`scale` is inf|finite"];
    a_range_upside_down: with("[0, 2.5]", "[2.5, ^0]") => ["from 2.5 down to 0"];
    a_range_with_one_end: with("[0, 2.5]", "^[2.5]") => ["1 ends"];
    a_range_with_nan: with("[0, 2.5]", "[0, ^nan]") => ["`range` is nan"];
    a_staleness_within_the_period:
        with("unit = 1", "unit = 1\nevery = \"10s\"").replace("scale = 0.001", "stale_after = ^\"10s\"")
        => ["not longer than the device's period"];
    a_profile:
        with("unit = 1", "unit = 1\n^profile = \"water\"")
        => ["`profile` is not in this version|[[modbus.device.point]]"];

    // MQTT.
    a_link_with_tls:
        with("\"mqtt://broker\"", "^\"mqtts://broker\"")
        => ["mqtts:// is not in this version|broker on this machine"];
    a_certificate:
        with("connect = \"mqtt://broker\"", "connect = \"mqtt://broker\"\n^ca = \"ca.pem\"")
        => ["`ca` is not in this version"];
    two_links_of_one_client_id: with("connect = \"mqtt://broker\"", "connect = \"mqtt://broker\"\nclient_id = \"x\"")
        + "[[mqtt]]\nname = \"b\"\nconnect = \"mqtt://broker:1883\"\nclient_id = ^\"x\"\nsubscribe = []\n"
        => ["throw each other out|line 22"];
    an_uplink_of_the_client_id_of_a_link:
        uplink("connect = \"mqtt://broker\"\nclient_id = ^\"gengfu-s-lora\"") => ["throw each other out|line 21"];
    an_uplink_without_a_broker: uplink("").replace("[[forward.mqtt]]", "^[[forward.mqtt]]") => ["`connect` is missing"];
    two_uplinks_to_one_broker: uplink("connect = \"mqtt://c\"\n")
        + "[[forward.mqtt]]\nname = \"d\"\nconnect = ^\"mqtt://c:1883\"\n" => ["a second uplink goes to c:1883|line 32"];
    two_uplinks_of_one_name: uplink("connect = \"mqtt://c\"\n")
        + "[[forward.mqtt]]\nname = ^\"c\"\nconnect = \"mqtt://d\"\n" => ["a second uplink named `c`"];
    an_uplink_with_tls: uplink("connect = ^\"mqtts://c\"") => ["mqtts:// is not in this version"];
    an_uplink_with_a_password: uplink("connect = \"mqtt://c\"\n^password = \"x\"") => ["does not belong into this file"];
    an_uplink_with_topics: uplink("connect = \"mqtt://c\"\n^topic = \"x\"\n^qos = 0")
        => ["`topic` can't be chosen here", "`qos` can't be chosen here"];
    a_drain_in_words: uplink("connect = \"mqtt://c\"\ndrain = ^\"fast\"") => ["`drain` must be|drain = 5000"];
    a_stores_drain_in_words: BASE.to_owned()
        + "[[forward.influxdb]]\nname = \"s\"\nurl = \"http://s\"\norg = \"o\"\nbucket = \"b\"\ntoken_file = \"t\"\ndrain = ^\"slow\"\n"
        => ["`drain` must be|drain = 5000"];
    a_drain_of_nothing: uplink("connect = \"mqtt://c\"\ndrain = ^0") => ["`drain` is 0"];
    a_window_too_small: uplink("connect = \"mqtt://c\"\nwindow = ^3") => ["`window` is 3"];
    an_uplink_key_misspelt: uplink("connect = \"mqtt://c\"\n^windw = 8") => ["did you mean `window`?"];
    a_password_without_user:
        with("connect = \"mqtt://broker\"", "connect = \"mqtt://broker\"\npassword_file = ^\"p\"")
        => ["no user"];
    a_plus_inside_a_level: with("\"gas/+\"", "^\"gas/a+\"") => ["whole levels"];
    a_hash_in_the_middle: with("\"gas/+\"", "^\"gas/#/x\"") => ["only at the end"];
    an_empty_topic: with("\"gas/+\"", "^\"\"") => ["it is empty"];
    a_wildcard_the_topic_has_not: with("\"gas-{1}\"", "^\"gas-{2}\"") => ["{2}|1 wildcard"];
    a_wildcard_zero: with("\"gas-{1}\"", "^\"gas-{0}\"") => ["{0}"];
    a_bracket_without_number: with("\"gas-{1}\"", "^\"gas-{id}\"") => ["bracket"];
    a_device_with_a_slash: with("\"gas-{1}\"", "^\"gas/{1}\"") => ["holds '/'"];
    an_expected_device_that_cannot_come: with("[\"gas-01\"]", "[\"gas-01\", ^\"gaz-02\"]") => ["can never come|gas-*"];
    more_expected_than_allowed:
        with("[\"gas-01\"]", "^[\"gas-01\", \"gas-02\"]\nmax_devices = 1")
        => ["2 devices are expected|raise max_devices"];
    a_pointer_without_slash: with("value = \"\"", "value = ^\"lel\"") => ["no JSON pointer|slash"];
    a_pointer_with_a_bad_escape: with("value = \"\"", "value = \"\"\ntime = ^\"/a~2\"") => ["`time`|no JSON pointer"];
    quality_of_service_two:
        with("device = \"gas-{1}\"", "device = \"gas-{1}\"\nqos = ^2")
        => ["not in this version|qos = 1"];

    // Rules.
    a_rule_on_a_point_that_does_not_exist:
        rule("low = { limit = 1 }").replace("\"pump/pressure\"\nlow", "^\"pump/presure\"\nlow")
        => ["no point `pump/presure`|did you mean `pump/pressure`?"];
    one_of_several_points_does_not_exist:
        rule("low = { limit = 1 }").replace("\"pump/pressure\"\nlow", "[\"pump/pressure\", ^\"pmp/running\"]\nlow")
        => ["did you mean `pump/running`?"];
    a_rule_without_point: and("^[[rule]]\nid = \"r\"\nlow = { limit = 1 }\n") => ["`point` is missing|device/point"];
    a_rule_with_point_and_points: rule("points = ^\"*/*\"\nlow = { limit = 1 }") => ["both `point` and `points`"];
    a_rule_on_no_points:
        rule("low = { limit = 1 }").replace("point = \"pump/pressure\"\nlow", "points = ^[]\nlow")
        => ["`points` is empty"];
    a_point_without_device:
        rule("low = { limit = 1 }").replace("\"pump/pressure\"\nlow", "^\"pressure\"\nlow")
        => ["no device/point"];
    a_rule_without_detector: rule("").replace("[[rule]]", "^[[rule]]") => ["no detector|high, low, band, state, dwell"];
    a_rule_with_two_detectors: rule("low = { limit = 0.1 }\n^high = { limit = 1 }") => ["two detectors|two rules"];
    a_limit_that_is_not_a_number: rule("high = { limit = ^nan }") => ["`limit` is nan|finite"];
    a_limit_that_is_infinite: rule("low = { limit = ^-inf }") => ["`limit` is -inf|finite"];
    a_limit_beyond_all_numbers: rule("high = { limit = ^1e400 }") => ["`limit` is 1e400|finite"];
    a_limit_in_quotes: rule("high = { limit = ^\"1\" }") => ["`limit` must be a number"];
    no_limit: rule("high = ^{ for = \"1s\" }") => ["`limit` is missing"];
    a_high_clear_above_the_limit:
        rule("high = { limit = 1.0, clear = ^1.1 }")
        => ["`clear` is 1.1, above the limit 1|at or below 1"];
    a_low_clear_below_the_limit:
        rule("low = { limit = 0.15, clear = ^0.13 }")
        => ["`clear` is 0.13, below the limit 0.15|at or above 0.15"];
    levels_in_the_wrong_order:
        rule("high = [{ limit = 2 }, { limit = ^1 }]")
        => ["second level's limit 1 is not above the first's 2"];
    low_levels_in_the_wrong_order:
        rule("low = [{ limit = 1 }, { limit = ^1.5 }]")
        => ["second level's limit 1.5 is not below the first's 1"];
    two_levels_at_the_same_limit: rule("high = [{ limit = 2 }, { limit = ^2 }]") => ["is not above"];
    a_second_level_that_clears_after_the_first:
        rule("high = [{ limit = 1, clear = 0.9 }, { limit = 2, clear = ^0.8 }]")
        => ["clears at 0.8, after the first"];
    a_second_level_of_less_priority:
        rule("high = [{ limit = 1, priority = \"high\" }, { limit = 2, priority = ^\"low\" }]")
        => ["priority low is lower than the first's high"];
    three_levels: rule("high = ^[{ limit = 1 }, { limit = 2 }, { limit = 2.1 }]") => ["3 levels"];
    no_levels: rule("high = ^[]") => ["0 levels"];
    a_limit_outside_the_range: rule("high = { limit = ^3 }") => ["outside the range 0 to 2.5 of `pump/pressure`|never"];
    a_low_limit_outside_the_range: rule("low = { limit = ^-1 }") => ["outside the range 0 to 2.5"];
    a_clear_outside_the_range:
        rule("high = { limit = 1, clear = ^-0.1 }")
        => ["`clear` is -0.1, outside the range 0 to 2.5"];
    another_unit_than_the_points:
        rule("unit = ^\"kPa\"\nlow = { limit = 1 }")
        => ["the rule is in kPa, but `pump/pressure` is in MPa"];
    a_unit_where_the_point_has_none:
        rule("unit = ^\"%LEL\"\nhigh = { limit = 1 }").replace("\"pump/pressure\"\nunit", "\"gas-*/ch4\"\nunit")
        => ["has no unit"];
    an_unknown_priority: rule("priority = ^\"urgent\"\nlow = { limit = 1 }") => ["low, medium, high, critical"];
    a_state_of_nothing: rule("state = ^{ for = \"1s\" }") => ["neither `is` nor `not`"];
    a_state_and_its_opposite: rule("state = { is = 1, not = ^2 }") => ["both `is` and `not`"];
    a_state_in_words: rule("state = { is = ^\"open\" }") => ["`is` must be a number"];
    a_trend_without_side: rule("trend = ^{ limit = 1, within = \"30m\", window = \"2h\" }") => ["`side` is missing"];
    a_trend_with_an_odd_side:
        rule("trend = { limit = 1, side = ^\"up\", within = \"30m\", window = \"2h\" }")
        => ["`side` cannot be \"up\"|high, low"];
    a_detector_that_is_none: rule("low = { limit = 1 }\n^spike = { limit = 1 }") => ["unknown key `spike`"];
    a_band_upside_down: rule("band = { low = 2, high = ^1 }") => ["`high` is 1, not above `low`, which is 2"];
    a_band_that_nothing_ends: rule("band = { low = 0.1, high = 0.5, margin = ^0.3 }") => ["no value between|0 to 0.2"];
    a_band_out_of_reach: rule("band = { low = ^-1, high = ^3 }") => ["never be reached", "never be reached"];
    a_rate_of_nothing: rule("rate = { per_hour = ^0, way = \"up\", window = \"32m\" }") => ["above 0"];
    a_rate_in_no_way: rule("rate = { per_hour = 1, way = ^\"high\", window = \"32m\" }") => ["up, down, any"];
    a_count_that_always_stands: rule("count = { of = \"starts\", limit = ^0, within = \"1h\" }") => ["always stand"];
    a_count_that_ends_above_its_limit:
        rule("count = { of = \"starts\", limit = 10, clear = ^12, within = \"1h\" }") => ["not between 0 and the limit"];
    a_count_of_what: rule("count = { of = ^\"pumps\", limit = 10, within = \"1h\" }") => ["starts, changes, growth"];
    a_dwell_without_an_end: rule("dwell = ^{ is = true }") => ["`for` is missing"];
    a_total_below_nothing: rule("total = { limit = ^-3, within = \"24h\" }") => ["always stand"];
    a_frozen_within_less_than_nothing: rule("frozen = { for = \"6h\", within = ^-1 }") => ["below 0"];
    a_sibling_that_is_nobody: rule("sibling = { of = ^\"runing\", apart = 0.1 }")
        => ["no point `pump/runing`|did you mean `pump/running`"];
    a_sibling_of_itself: rule("sibling = { of = ^\"pump/pressure\", apart = 0.1 }") => ["beside itself|leave it out"];
    a_sibling_in_another_unit: rule("sibling = { of = ^\"running\", apart = 0.1 }")
        => ["`pump/pressure` is in MPa, but `pump/running` has no unit|the same unit"];
    a_sibling_that_is_never_apart: rule("sibling = { of = \"running\", apart = ^0.0 }") => ["`apart` is 0: it would always stand"];
    a_sibling_by_a_pattern: rule("sibling = { of = ^\"gas-*/ch4\", apart = 1.0 }") => ["which is no point|without *"];
    a_residual_without_a_load: rule("residual = ^{ rated = 1.0, side = \"high\", shift = 1.0, resolution = 0.1 }")
        => ["`load` is missing"];
    a_group_of_one: rule("group = { with = ^[] }") => ["no other points"];
    a_group_of_too_many: rule(&format!("group = {{ with = ^[{}] }}", "\"running\", ".repeat(16)))
        => ["16 points are too many|at most 16|at most 15"];
    a_group_with_one_twice: rule("group = { with = [\"running\", ^\"pump/running\"] }") => ["`pump/running` stands there twice"];
    what_a_group_lacks_is_no_danger: rule("group = { with = [\"running\"] }\nunknown = ^\"danger\"") => ["`high`, `low` and `state`"];
    a_rhythm_that_is_always_early: rule("rhythm = { early = ^1.2 }") => ["every start would be too soon|0.85"];
    a_rhythm_that_is_always_late: rule("rhythm = { late = ^0.5 }") => ["every start would be overdue|2.0"];
    a_drift_without_a_resolution: rule("drift = ^{ side = \"high\", shift = 0.1 }") => ["`resolution` is missing"];
    a_drift_by_what: rule("drift = { side = \"low\", shift = 0.1, resolution = 0.01, by = ^\"week\" }") => ["hour-and-day"];
    a_habit_of_nothing: rule("habit = { threshold = ^0 }") => ["above 0"];
    hours_that_are_none: with("id = \"s\"", "id = \"s\"\nopen = ^\"9 to 5\"") => ["09:00-22:00"];
    a_holiday_that_is_none: with("id = \"s\"", "id = \"s\"\nholidays = [^\"2027-02-30\"]") => ["no day|2027-02-06"];
    a_holiday_with_a_time: with("id = \"s\"", "id = \"s\"\nholidays = [^\"2027-02-06T08:00\"]") => ["no day|2027-02-06"];
    a_holiday_that_is_worked:
        with("id = \"s\"", "id = \"s\"\nholidays = [\"2027-02-06\"]\nworked = [^\"2027-02-06\"]") => ["`holidays` and in `worked`"];
    a_holiday_of_years_ago:
        with("id = \"s\"", "id = \"s\"\nholidays = [\"2027-02-05\", ^\"2023-10-02\"]") => ["more than 736 days|what is past"];
    a_day_that_is_none: with("id = \"s\"", "id = \"s\"\nrest = [^\"sunday\"]") => ["mon, tue"];

    // What hangs between rules.
    a_vote_without_voters:
        rule("vote = { of = ^[], need = 1 }") => ["no voters|name at least two"];
    a_vote_that_needs_more_than_vote:
        two("vote = { of = [^\"one\"], need = 2 }") => ["`need` is 2, but only 1 vote|lower `need`"];
    a_vote_that_needs_nobody: rule("vote = { of = [\"r\"], need = ^0 }") => ["1 to 16"];
    a_voter_that_is_no_rule: two("vote = { of = [^\"oen\", \"one\"], need = 1 }") => ["no rule `oen`|did you mean `one`"];
    a_voter_on_another_point:
        two("vote = { of = [^\"one@d/q\"], need = 1 }") => ["is not on the point `d/q`|name a device/point"];
    a_rule_that_hides_itself:
        rule("high = { limit = 1 }\nsuppressed_by = ^\"r\"") => ["hides itself|the cause hide its consequences"];
    a_rule_hidden_by_none: rule("high = { limit = 1 }\nsuppressed_by = ^\"mains\"") => ["no rule `mains`"];
    fire_that_is_hidden:
        two("high = { limit = 1 }\npriority = \"critical\"\nlatch = true\nsuppressed_by = ^\"one\"")
        => ["no other alarm may hide it|mode of the area"];
    danger_where_nothing_tells_it:
        rule("trend = { limit = 1, side = \"high\", within = \"30m\", window = \"2h\" }\nunknown = ^\"danger\"")
        => ["means something to `high`, `low` and `state` alone|\"alarm\""];
    an_alarm_of_the_value_that_a_vote_has_not:
        two("vote = { of = \"one\", need = 1 }\nunknown = ^\"alarm\"") => ["looks at no value|the rules that vote"];
    a_shelf_for_what_is_critical_and_latches:
        rule("state = { is = 1 }\npriority = \"critical\"\nlatch = true\nshelvable = ^true") => ["critical and latches|a mode"];
    a_shelf_for_a_limit_that_is_critical_and_latches:
        rule("high = { limit = 1 }\npriority = \"critical\"\nlatch = true\nshelvable = ^true") => ["critical and latches"];
    a_shelf_for_a_level_that_is_critical_and_latches:
        rule("high = { limit = 1, priority = \"critical\", latch = true, shelvable = ^true }") => ["critical and latches"];
    one_detector_on_two_seats:
        two("vote = { of = [\"one\", ^\"one@pump/pressure\"], need = 2 }") => ["`one@pump/pressure` has a vote already|once"];
    an_area_that_is_the_gateways_own: with("unit = 1\n", "unit = 1\narea = ^\"gengfu\"\n") => ["where the gateway itself stands"];
    an_unknown_meaning: rule("high = { limit = 1 }\nunknown = ^\"maybe\"") => ["hold"];
    a_shelf_for_a_year: and("[alarms]\nmax_shelf = ^\"365d\"\n") => ["max_shelf"];
    a_pack:
        and("[[rule]]\nuse = \"gas-commercial\"\npoints = ^\"gas-*/ch4\"\n")
        => ["the rule is in %LEL|has no unit|add unit = \"%LEL\""];

    // Console, sinks, site.
    a_console_for_everybody:
        and("[console]\nlisten = ^\"0.0.0.0:8420\"\n")
        => ["0.0.0.0:8420|loopback|users and TLS|127.0.0.1:8420|SSH"];
    a_console_on_the_network: and("[console]\nlisten = ^\"192.168.1.2:80\"\n") => ["192.168.1.2:80"];
    a_console_on_all_of_ipv6: and("[console]\nlisten = ^\"[::]:80\"\n") => ["[::]:80"];
    a_console_without_port: and("[console]\nlisten = ^\"127.0.0.1\"\n") => ["no address and port"];
    a_store_with_a_path: store("url = ^\"http://h:8086/influx\"") => ["path, \"/influx\"|would drop"];
    a_store_with_tls: store("url = ^\"https://h\"") => ["https:// is not in this version|relay"];
    a_store_with_an_unknown_compression: store("url = \"http://h\"\ncompression = ^\"zip\"") => ["auto, gzip, none"];
    a_token_in_the_file: store("url = \"http://h\"\n^token = \"secret\"") => ["token_file"];
    a_user_in_an_address: hook("url = ^\"http://u:p@h/\"") => ["user or password"];
    a_push_to_nobody: hook("url = \"http://h/\"\npriorities = ^[]") => ["nothing would be pushed"];
    a_push_of_an_unknown_priority:
        hook("url = \"http://h/\"\npriorities = [\"high\", ^\"criticl\"]")
        => ["did you mean \"critical\"?"];
    a_heartbeat_too_fast: hook("url = \"http://h/\"\nheartbeat = ^\"500ms\"") => ["from 1s"];
    a_timezone_that_is_none:
        with("id = \"s\"", "id = \"s\"\ntimezone = ^\"Beijing\"")
        => ["no time zone|all of China keeps \"Asia/Shanghai\""];
    a_timezone_of_a_city_that_has_none:
        with("id = \"s\"", "id = \"s\"\ntimezone = ^\"Asia/Hangzhou\"")
        => ["\"Asia/Hangzhou\" is no time zone|all of China keeps \"Asia/Shanghai\""];
    a_timezone_misspelt:
        with("id = \"s\"", "id = \"s\"\ntimezone = ^\"Asia/Shanghia\"")
        => ["did you mean \"Asia/Shanghai\"?"];
    an_uplink: and("[^uplink]\n") => ["`uplink` is not in this version"];

    // Many at once, in the order of the file.
    everything_at_once: with("unit = 1", "^unti = 1").replacen("[[modbus.device]]", "^[[modbus.device]]", 1)
        .replace("\"coil:3\"", "^\"coil:70000\"")
        .replace("\"gas/+\"", "^\"gas/#/+\"")
        + "[[rule]]\nid = \"r\"\npoint = ^\"pump/nothing\"\nhigh = { limit = ^nan, ^fro = 1 }\n^color = 1\n"
        => [
            "`unit` is missing", "did you mean `unit`?", "70000", "only at the end", "no point `pump/nothing`", "nan", "`for`",
            "unknown key `color`",
        ];
}

#[test]
fn columns_are_right_behind_a_mark_windows_line_ends_and_chinese() {
    let text =
        "\u{feff}^site = { id = \"甲\" }\r\n[console] # 控制台\r\nlisten = \"::1\" # 无端口\r\n".replace('^', "");
    let complaints = parse(&text, file()).expect_err("two mistakes");
    let places: Vec<_> = complaints.iter().map(|c| (c.line, c.column)).collect();
    assert_eq!(places, [(1, 15), (3, 10)], "{}", show(&complaints));
}

#[test]
fn a_complaint_is_one_line_with_file_line_column_what_and_mend() {
    let (text, _) = unmark(&with("unit = 1", "uint = 1\nunit = 1"));
    let complaints = parse(&text, file()).expect_err("one mistake");
    assert_eq!(
        show(&complaints),
        "/site/gengfu.toml:8:1: unknown key `uint` in [[modbus.device]]; did you mean `unit`?\n"
    );
}

#[test]
fn sixty_five_rules_on_a_point_are_one_too_many() {
    let rule = |n| format!("[[rule]]\nid = \"r{n}\"\npoint = \"pump/pressure\"\nlow = {{ limit = 1 }}\n");
    let rules = |count: usize| (0..count).map(rule).collect::<Vec<_>>().concat();
    assert_eq!(good(&and(&rules(64))).warnings, []);
    let marked = and(&rules(65)).replace("id = \"r64\"\npoint = ", "id = \"r64\"\npoint = ^");
    refused(&marked, &["`pump/pressure` has more than 64 rules"]);
}

fn warned(text: &str, words: &str) {
    let (plain, places) = unmark(text);
    let warnings = good(&plain).warnings;
    assert_eq!(warnings.iter().map(|w| (w.line, w.column)).collect::<Vec<_>>(), places, "{}", show(&warnings));
    assert!(warnings.iter().all(|w| words.split('|').all(|word| w.to_string().contains(word))), "{}", show(&warnings));
}

#[test]
fn a_glob_that_nothing_can_ever_match_is_refused() {
    let rule = |points: &str| and(&format!("[[rule]]\nid = \"r\"\npoints = {points}\nhigh = {{ limit = 25 }}\n"));
    refused(&rule("^\"gaz-*/ch4\""), &["nothing matches `gaz-*/ch4`|`gas-"]);
    refused(&rule("[\"gas-*/ch4\", ^\"*/co\"]"), &["nothing matches `*/co`"]);
    // A device that topics may bring is enough.
    assert_eq!(good(&rule("\"*-07/ch4\"")).warnings, []);
}

#[test]
fn one_label_for_many_devices_is_refused() {
    let text = with("device = \"gas-{1}\"\n", "device = \"gas-{1}\"\nlabel = ^\"探头\"\n");
    refused(&text, &["many devices|labels = {"]);
}

#[test]
fn a_rule_on_a_device_nobody_expects_is_a_warning() {
    let text = and("[[rule]]\nid = \"r\"\npoints = ^\"gas-02/ch4\"\nhigh = { limit = 25 }\n");
    warned(&text, "only once it is heard|expect");
}

#[test]
fn a_number_out_of_a_manual_is_a_warning() {
    warned(&with("\"input:8\"", "^\"input:30009\""), "30009|write 8");
}

#[test]
fn one_device_for_all_topics_is_a_warning() {
    warned(&with("device = \"gas-{1}\"\nexpect = [\"gas-01\"]", "device = ^\"gas\""), "same device|{1}");
}

#[test]
fn a_trend_over_too_few_readings_is_a_warning() {
    let text = rule("trend = { limit = ^1, side = \"low\", within = \"1h\", window = \"1m\" }");
    warned(&text.replace("unit = 1\n", "unit = 1\nevery = \"5s\"\n"), "fewer than 16 times|at least 80s");
}

#[test]
fn a_rate_over_too_few_readings_is_a_warning() {
    let text = rule("rate = { per_hour = 1, way = \"up\", window = ^\"1m\" }");
    warned(&text.replace("unit = 1\n", "unit = 1\nevery = \"5s\"\n"), "fewer than 16 times|at least 80s");
}

#[test]
fn opening_hours_of_a_site_that_has_none_are_a_warning() {
    warned(&rule("dwell = { is = true, for = \"1m\", open_hours = ^true }"), "no opening hours|09:00-22:00");
}

#[test]
fn a_group_that_waits_for_less_than_its_points_take_is_a_warning() {
    warned(
        &rule("group = { with = [^\"running\"], step = \"500ms\" }"),
        "is read every 1s|missing in most|step = \"1s\"",
    );
}

#[test]
fn a_site_that_watches_nothing_is_a_warning() {
    warned("^[site]\nid = \"s\"\n", "no [[modbus]] and no [[mqtt]]");
    warned("[site]\nid = \"s\"\n^[[mqtt]]\nname = \"m\"\nconnect = \"mqtt://h\"\n", "no [[mqtt.subscribe]]");
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_a_complaint() {
    let folder = std::env::temp_dir().join(format!("gengfu-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let complaints = load(&folder.join("absent.toml")).expect_err("there is none");
    assert!(complaints[0].what.contains("cannot be read"), "{}", show(&complaints));
    let gbk = folder.join("gbk.toml");
    std::fs::write(&gbk, b"[site]\nname = \"\xb1\xf5\"\n").expect("a file");
    let complaints = load(&gbk).expect_err("it is GBK");
    assert_eq!((complaints[0].line, complaints[0].column), (2, 9), "{}", show(&complaints));
    assert!(complaints[0].mend.contains("UTF-8"));
    std::fs::remove_dir_all(&folder).expect("the folder was ours");
}

#[test]
fn a_file_too_large_is_refused_unread() {
    let complaints = parse(&"#".repeat(MAX_FILE + 1), file()).expect_err("too large");
    assert!(complaints[0].what.contains("bytes"), "{}", show(&complaints));
}
