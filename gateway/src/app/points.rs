//! All points of the configuration, and of the devices it let in earlier.

use std::collections::HashSet;

use gengfu_core::reading::PointId;

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{MqttLink, PointSpec, Site, Subscription};
use crate::config::pattern;
use crate::flow::AlarmEvent;
use crate::source::own;

/// Enters every point of the site into the catalog. Devices that an MQTT subscription let in during an earlier run (the
/// journal knows their names, or an alarm of theirs stands) are among them.
pub(super) fn enter(site: &Site, catalog: &Catalog, standing: &[AlarmEvent]) -> Vec<(PointId, PointSpec)> {
    let catalogued = catalog.tail(0);
    let old: HashSet<String> = catalogued.iter().map(|meta| meta.name()).collect();
    let alarmed: HashSet<String> = standing.iter().map(|event| format!("{}/{}", event.device, event.point)).collect();
    // A device of another source, or our own, may have a name that the subscription would give too: it has none of its points.
    let had = |subscription: &Subscription, device: &str| {
        let mut names = subscription.points.iter().map(|point| format!("{device}/{}", point.spec.name));
        device != own::DEVICE && names.any(|name| old.contains(&name) || alarmed.contains(&name))
    };
    // Those with an alarm that stands come first: no limit on devices may push it out.
    let standing = standing.iter().map(|event| event.device.as_str());
    let known: Vec<&str> = standing.chain(catalogued.iter().map(|meta| meta.device.as_str())).collect();
    let mut points: Vec<_> = own::points(site).into_iter().map(|(meta, spec)| (catalog.add(meta), spec)).collect();
    for line in &site.modbus {
        for device in &line.devices {
            for point in &device.points {
                let meta = meta(&device.name, &point.spec, &device.kind, device.area.as_ref(), &line.name);
                points.push((catalog.add(meta), point.spec.clone()));
            }
        }
    }
    for link in &site.mqtt {
        for subscription in &link.subscriptions {
            let mut devices = subscription.expect.clone();
            for device in known.iter().filter(|device| had(subscription, device)) {
                let room = devices.len() < subscription.max_devices;
                if room && pattern::comes_of(&subscription.device, device) && !devices.iter().any(|d| d == device) {
                    devices.push((*device).to_owned());
                }
            }
            for device in &devices {
                subscribe(link, subscription, device, catalog, &mut points);
            }
        }
    }
    points.sort_by_key(|(id, _)| *id);
    points.dedup_by_key(|(id, _)| *id);
    points
}

fn subscribe(
    link: &MqttLink,
    subscription: &Subscription,
    device: &str,
    catalog: &Catalog,
    points: &mut Vec<(PointId, PointSpec)>,
) {
    for point in &subscription.points {
        let meta = meta(device, &point.spec, &subscription.kind, subscription.area.as_ref(), &link.name);
        points.push((catalog.add(meta), point.spec.clone()));
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
