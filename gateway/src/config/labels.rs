//! What people call things: `label` of a device or point, `words` of a state. Identifiers stay what machines use; a site
//! without labels shows them alone.

use super::checked::{Labels, PointLabel};
use super::mqtt;
use super::names::Names;
use super::pattern;
use super::table::Table;
use super::value::{Value, shorten};
use crate::flow::Text;

/// Longest label, in characters: two languages on one line of a card.
const MAX_LABEL: usize = 80;
/// Longest word of a state, likewise.
const MAX_WORD: usize = 40;
/// States of one point.
const MAX_WORDS: usize = 16;

/// One label, where the key is given.
pub(super) fn label(table: &Table<'_>) -> Option<Text> {
    table.get("label").and_then(|v| text(v, MAX_LABEL))
}

/// `label` and `words` of a point; `unit` is the point's, which a state has none of.
pub(super) fn point(table: &Table<'_>, unit: Option<&str>) -> PointLabel {
    let words = table.get("words");
    if let (Some(words), Some(unit)) = (words, unit) {
        words.complain(format!("a point in {unit} has no `words`"), "leave out `words`, or `unit` if it is a state");
    }
    PointLabel { label: label(table), words: words.map_or_else(Vec::new, self::words) }
}

/// The words of the states 0, 1 and so on.
fn words(value: Value<'_>) -> Vec<Text> {
    let items = value.list().unwrap_or_default();
    if value.list_or_none().is_some() && !(2..=MAX_WORDS).contains(&items.len()) {
        value.complain(
            format!("`words` has {} of them", items.len()),
            format!(
                "write one for each state from 0 on, 2 to {MAX_WORDS}: words = [\"关闭 / closed\", \"打开 / open\"]"
            ),
        );
    }
    items.into_iter().filter_map(|item| text(item, MAX_WORD)).collect()
}

/// `labels` of a subscription: a table of device names, since all its devices share one entry; or `label`, where there is
/// one device only.
pub(super) fn devices(table: &Table<'_>, template: Option<&str>, names: &mut Names) {
    let alone = table.get("label").and_then(|v| Some((v, text(v, MAX_LABEL)?)));
    match (alone, template) {
        (Some((_, label)), Some(device)) if mqtt::is_plain(device) => names.labels.name_device(device, label),
        (Some((value, _)), Some(_)) => value.complain(
            "this subscription has many devices, and one `label`",
            "name each of them: labels = { gas-01 = \"…\" }",
        ),
        (Some(_), None) | (None, _) => {}
    }
    let Some(labels) = table.get("labels").and_then(|v| v.table("labels = { gas-01 = \"…\" }")) else { return };
    let pattern = template.map(pattern::of_template);
    for (name, value) in labels.entries() {
        if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern::matches(pattern, name)) {
            value.complain(
                format!("no device \"{}\" can come from this subscription: they are named {pattern}", shorten(name)),
                "correct the name, or `device`",
            );
        } else if let Some(label) = text(value, MAX_LABEL) {
            names.labels.name_device(name, label);
        }
    }
}

fn text(value: Value<'_>, max: usize) -> Option<Text> {
    value.line(max).map(|line| Text::of(line.trim()))
}

impl Labels {
    pub(crate) fn name_device(&mut self, device: &str, label: Text) {
        self.devices.insert(device.to_owned(), label);
    }

    /// `name` is `device/point`, with `*` where it stands for all devices of a topic.
    pub(crate) fn name_point(&mut self, name: String, label: PointLabel) {
        if label == PointLabel::default() {
            return;
        }
        if name.contains('*') {
            self.patterns.push((name, label));
        } else {
            self.points.insert(name, label);
        }
    }

    pub fn device(&self, device: &str) -> Option<&Text> {
        self.devices.get(device)
    }

    /// Of the point named `device/point`.
    pub fn point(&self, name: &str) -> Option<&PointLabel> {
        let of_pattern = || self.patterns.iter().find(|(pattern, _)| pattern::matches(pattern, name));
        self.points.get(name).or_else(|| of_pattern().map(|(_, label)| label))
    }

    /// What people call the point `device/point`: both labels, an identifier where there is none.
    pub fn full(&self, device: &str, point: &str) -> Text {
        let label = self.point(&format!("{device}/{point}")).and_then(|point| point.label.as_ref());
        match (self.devices.get(device), label) {
            (None, None) => Text::same(&format!("{device}/{point}")),
            (of_device, of_point) => {
                let device = of_device.cloned().unwrap_or_else(|| Text::same(device));
                let point = of_point.cloned().unwrap_or_else(|| Text::same(point));
                Text { zh: format!("{} {}", device.zh, point.zh), en: format!("{} {}", device.en, point.en) }
            }
        }
    }
}

impl PointLabel {
    /// The word of a state; `None` where the value is none of them.
    pub fn word(&self, value: f64) -> Option<&Text> {
        let whole = value >= 0.0 && value.fract() == 0.0 && value < self.words.len() as f64;
        whole.then(|| self.words.get(value as usize)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(label: &str) -> PointLabel {
        PointLabel { label: Some(Text::of(label)), words: vec![Text::of("关闭 / closed"), Text::of("打开 / open")] }
    }

    #[test]
    fn a_plain_name_goes_before_a_pattern() {
        let mut labels = Labels::default();
        labels.name_point("gas-*/ch4".to_owned(), named("浓度"));
        labels.name_point("gas-1/ch4".to_owned(), named("一号浓度"));
        labels.name_device("gas-2", Text::of("厨房探头 / kitchen probe"));
        assert_eq!(labels.full("gas-1", "ch4").zh, "gas-1 一号浓度");
        assert_eq!(labels.full("gas-2", "ch4"), Text { zh: "厨房探头 浓度".into(), en: "kitchen probe 浓度".into() });
        assert_eq!(labels.full("gas-2", "battery").en, "kitchen probe battery");
        assert_eq!(labels.full("door", "open"), Text::same("door/open"));
    }

    #[test]
    fn only_a_state_that_has_a_word_is_named() {
        let point = named("门");
        assert_eq!(point.word(1.0).map(|word| word.en.as_str()), Some("open"));
        for value in [-1.0, 0.5, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(point.word(value), None, "{value}");
        }
        assert_eq!(point.word(-0.0).map(|word| word.en.as_str()), Some("closed"));
    }
}
