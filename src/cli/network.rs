//! `effsweep plan --model`: a configuration's network, layer by layer.

use super::Context;
use super::exit::Failure;
use super::look::Format;
use super::summary::{short, whole};
use crate::arch::{Cost, LayerCost};
use crate::report::{Column, Kind, Rows, number};
use crate::sweep::{Configuration, Sweep};

/// The first configuration, or the one whose key begins with `prefix`.
pub(super) fn configuration(sweep: &Sweep, prefix: Option<&str>) -> Result<Configuration, Failure> {
    let prefix = prefix.unwrap_or_default().to_ascii_lowercase();
    let index = sweep.keys().position(|(key, _)| key.to_string().starts_with(&prefix));
    index.and_then(|index| sweep.configuration(index)).ok_or_else(|| {
        Failure::user(format_args!("no configuration of `{}` has a key that begins `{prefix}`", sweep.name()))
            .hint("`effsweep plan FILE` lists the keys")
    })
}

/// Shows the layers of its network at the train resolution.
pub(super) fn show(
    configuration: &Configuration,
    classes: usize,
    format: Format,
    context: &Context,
) -> Result<(), Failure> {
    let settings = &configuration.settings;
    let (model, side) = (&settings.model, settings.train.resolution);
    let network = model.network(classes)?;
    let cost = Cost::of(&network, model.norm, side);
    if format == Format::Table {
        let key = short(&configuration.key.to_string());
        context.look.print(&format!(
            "{key}: {} {} G{}, expansion {:.2}, {side} pixels, {classes} classes: {} parameters, {} multiply-accumulates\n",
            model.preset.name(),
            model.norm,
            model.group_size,
            network.expand_ratio,
            number::count(cost.parameters() as f64),
            number::count(cost.macs() as f64),
        ))?;
    }
    context.look.write(&layers(&cost.layers), format, None)
}

fn layers(layers: &[LayerCost]) -> Rows {
    let mut rows = Rows::new(vec![
        Column::plain("layer"),
        Column::plain("side"),
        Column::plain("channels"),
        Column::plain("group_size"),
        Column::new("parameters", Kind::Count),
        Column::new("macs", Kind::Count),
        Column::new("activation_bytes", Kind::Bytes),
    ]);
    for layer in layers {
        let count = |count: u64| i64::try_from(count).ok().into();
        rows.push([
            layer.name.as_str().into(),
            whole(layer.side),
            whole(layer.channels),
            layer.group_size.map_or_else(Default::default, whole),
            count(layer.parameters),
            count(layer.macs),
            count(layer.activation_bytes),
        ]);
    }
    rows
}
