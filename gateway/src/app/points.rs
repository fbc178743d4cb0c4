//! All points of the configuration, and of the devices it let in earlier.

use std::collections::HashSet;

use gengfu_core::reading::PointId;

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{MqttLink, PointSpec, Site, Subscription};
use crate::config::pattern;
use crate::flow::AlarmEvent;
use crate::source::own;

/// Enters every point of the site into the catalog.
pub(super) fn enter(site: &Site, catalog: &Catalog, standing: &[AlarmEvent]) -> Vec<(PointId, PointSpec)> {
    let points = list(site, catalog, standing).into_iter().map(|(meta, spec)| (catalog.add(meta), spec));
    by_index(points.collect())
}

/// Each point once, in the order of their indices.
pub(crate) fn by_index(mut points: Vec<(PointId, PointSpec)>) -> Vec<(PointId, PointSpec)> {
    points.sort_by_key(|(id, _)| *id);
    points.dedup_by_key(|(id, _)| *id);
    points
}

/// Every point of the site. Devices that an MQTT subscription let in during an earlier run (the journal knows their names,
/// or an alarm of theirs stands) are among them.
pub(crate) fn list(site: &Site, catalog: &Catalog, standing: &[AlarmEvent]) -> Vec<(PointMeta, PointSpec)> {
    let catalogued = catalog.tail(0);
    // Those with an alarm that stands come first: no limit on devices may push it out.
    let standing = standing.iter().map(|event| (event.device.as_str(), event.point.as_str(), None));
    let entered = catalogued.iter().map(|m| (m.device.as_str(), m.point.as_str(), m.source.as_deref()));
    let known: Vec<(&str, &str, Option<&str>)> = standing.chain(entered).collect();
    let links: HashSet<&str> = site
        .modbus
        .iter()
        .map(|line| line.name.as_str())
        .chain(site.mqtt.iter().map(|link| link.name.as_str()))
        .collect();
    let mut points = own::points(site);
    for line in &site.modbus {
        for device in &line.devices {
            for point in &device.points {
                let meta = meta(&device.name, &point.spec, &device.kind, device.area.as_ref(), &line.name);
                points.push((meta, point.spec.clone()));
            }
        }
    }
    for link in &site.mqtt {
        for subscription in &link.subscriptions {
            let mut devices = subscription.expect.clone();
            for (device, point, source) in &known {
                let room = devices.len() < subscription.max_devices;
                // Not one that another link has, nor our own: a subscription's `device` may give their names too.
                let free = source.is_none_or(|source| source == link.name || !links.contains(source));
                let of_it = free && *device != own::DEVICE && subscription.points.iter().any(|p| p.spec.name == *point);
                if room
                    && of_it
                    && pattern::comes_of(&subscription.device, device)
                    && !devices.iter().any(|d| d == device)
                {
                    devices.push((*device).to_owned());
                }
            }
            for device in &devices {
                subscribe(link, subscription, device, &mut points);
            }
        }
    }
    points
}

fn subscribe(link: &MqttLink, subscription: &Subscription, device: &str, points: &mut Vec<(PointMeta, PointSpec)>) {
    for point in &subscription.points {
        let meta = meta(device, &point.spec, &subscription.kind, subscription.area.as_ref(), &link.name);
        points.push((meta, point.spec.clone()));
    }
}

fn meta(device: &str, spec: &PointSpec, kind: &str, area: Option<&String>, source: &str) -> PointMeta {
    PointMeta {
        device: device.to_owned(),
        point: spec.name.clone(),
        kind: kind.to_owned(),
        area: area.cloned(),
        unit: spec.unit.clone(),
        life_safety: spec.life_safety,
        source: Some(source.to_owned()),
    }
}
