//! All points by device, with what is known of how far to believe them.

use maud::{Markup, html};

use super::view::{self, PointView};
use super::{Look, words};
use crate::flow::Text;
use crate::source::own;

/// Rows on the page; what lies beyond can be had from the API.
const ROWS_MAX: usize = 2_000;

pub(super) fn section(look: &Look<'_>) -> Markup {
    let lang = look.lang;
    let mut points = look
        .snapshot
        .as_ref()
        .map(|snapshot| view::points(snapshot, &look.app.catalog, &look.app.site().labels))
        .unwrap_or_default();
    // The building first, what the gateway says of itself behind it.
    points.sort_by_key(|point| point.meta.device == own::DEVICE);
    let (all, troubled) = (points.len(), points.iter().filter(|point| !point.present.now.is_good()).count());
    let shown = points.into_iter().take(ROWS_MAX).collect();
    html! {
        section #points aria-labelledby="points-title" data-more[all > ROWS_MAX] {
            div.head {
                h2 #points-title { (lang.pick("测点", "Points")) " " span.number { (all) } }
                p.faint { (lang.pick("质量不佳 ", "not good: ")) span #troubled.number { (troubled) } }
            }
            table {
                thead { tr {
                    th scope="col" { (lang.pick("测点", "Point")) }
                    th.right scope="col" { (lang.pick("数值", "Value")) }
                    th scope="col" { (lang.pick("单位", "Unit")) }
                    th scope="col" { (lang.pick("质量", "Quality")) }
                    th.right scope="col" { (lang.pick("更新", "Updated")) }
                } }
                @for device in view::by_device(shown) { (device_rows(look, &device)) }
            }
            @if all > ROWS_MAX {
                p.faint { (lang.pick("此页显示前 ", "This page shows the first ")) (ROWS_MAX) (lang.pick(" 个，其余见 ", "; all of them: ")) a href="/api/v1/points" { "/api/v1/points" } }
            }
        }
    }
}

fn device_rows(look: &Look<'_>, points: &[PointView]) -> Markup {
    let Some(PointView { meta: first, device_label, .. }) = points.first() else { return html! {} };
    let lang = look.lang;
    html! {
        tbody {
            tr.device { th colspan="5" scope="rowgroup" {
                @if let Some(label) = device_label { (lang.of(label)) " " }
                span.id[device_label.is_some()] { (first.device) }
                span.faint { " " (first.kind) @if let Some(area) = &first.area { " · " (lang.of(&Text::of(area))) } }
            } }
            @for point in points { (row(look, point)) }
        }
    }
}

fn row(look: &Look<'_>, point: &PointView) -> Markup {
    let (lang, meta, now) = (look.lang, &point.meta, &point.present.now);
    let full = look.app.site().labels.full(&meta.device, &meta.point);
    html! {
        tr data-key=(meta.name()) data-quality=(now.quality) {
            th scope="row" {
                a href=(history(&meta.device, &meta.point)) data-trend=(meta.name()) data-title=(lang.of(&full)) data-unit=(meta.unit.as_deref().unwrap_or_default()) {
                    @if let Some(label) = &point.label { (lang.of(label)) } @else { (meta.point) }
                }
                @if point.label.is_some() { " " span.id { (meta.point) } }
                @if meta.life_safety { " " span.life title=(lang.pick("生命安全测点：失去数据本身即报警", "life safety: losing it is itself an alarm")) { (lang.pick("生命安全", "life safety")) } }
            }
            td.right.value { (words::value(lang, &point.present).unwrap_or_else(|| "—".to_owned())) }
            td.unit { (meta.unit.as_deref().unwrap_or_default()) }
            td.quality {
                span.mark { (words::quality(lang, now.quality)) }
                span.reason { @if let Some(reason) = now.reason { " · " (words::reason(lang, reason)) } }
            }
            td.right.age data-age=[now.at] { (now.at.map_or_else(|| "—".to_owned(), |at| words::ago(lang, look.now, at))) }
        }
    }
}

/// Without a script the link still leads to the figures.
fn history(device: &str, point: &str) -> String {
    format!("/api/v1/points/{}/{}/history", escaped(device), escaped(point))
}

/// Percent-encoding of one path segment (RFC 3986, unreserved characters stay).
fn escaped(segment: &str) -> String {
    use std::fmt::Write;
    segment.bytes().fold(String::with_capacity(segment.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(history("a/b?c", "压力#1"), "/api/v1/points/a%2Fb%3Fc/%E5%8E%8B%E5%8A%9B%231/history");
    }
}
