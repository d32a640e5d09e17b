//! The device that networks run on.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use duchenne::Device;

/// Arguments about the device.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeviceArgs {
    /// Where networks run; a GPU backend needs a build with `--features` of the same name
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "cpu",
        value_parser = PossibleValuesParser::new(Device::NAMES).try_map(|name| name.parse::<Device>())
    )]
    pub device: Device,
}
