//! *Devices* by name: the CPU, and the GPU backends that this build has.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// Where networks run. The CPU is always there; GPU backends are features of the package.
///
/// A `&Device` is taken wherever Burn's own device is asked for.
///
/// ```
/// use duchenne::Device;
///
/// let device: Device = "cpu".parse()?;
/// assert_eq!(device.to_string(), "cpu");
/// assert!(Device::available().any(|name| name == "cpu"));
/// assert!("abacus".parse::<Device>().is_err());
/// # Ok::<(), duchenne::UnknownDevice>(())
/// ```
#[derive(Debug, Clone)]
pub struct Device {
    name: &'static str,
    tensors: burn::tensor::Device,
}

/// A name that is not a device of this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownDevice {
    /// A backend that this program knows and this build does not have.
    #[error("this build has no `{0}`; build with `--features {0}`")]
    NotBuilt(&'static str),
    /// No backend has this name.
    #[error("unknown device `{0}`, expected cpu, vulkan, metal, webgpu or cuda")]
    Unknown(String),
}

impl Device {
    /// Every name that some build understands.
    pub const NAMES: [&'static str; 5] = ["cpu", "vulkan", "metal", "webgpu", "cuda"];

    /// The CPU: Burn's Flex backend with fused kernels.
    pub fn cpu() -> Self {
        Self { name: "cpu", tensors: burn::tensor::Device::flex() }
    }

    /// The names of the devices that this build has, the CPU first.
    pub fn available() -> impl Iterator<Item = &'static str> {
        let built = [
            true,
            cfg!(feature = "vulkan"),
            cfg!(feature = "metal"),
            cfg!(feature = "webgpu"),
            cfg!(feature = "cuda"),
        ];
        Self::NAMES.into_iter().zip(built).filter(|(_, is_built)| *is_built).map(|(name, _)| name)
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::cpu()
    }
}

impl Deref for Device {
    type Target = burn::tensor::Device;

    fn deref(&self) -> &burn::tensor::Device {
        &self.tensors
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(wanted: &str) -> Result<Self, UnknownDevice> {
        let Some(name) = Self::NAMES.into_iter().find(|name| *name == wanted) else {
            return Err(UnknownDevice::Unknown(wanted.to_owned()));
        };
        #[allow(unused_variables, reason = "without a GPU backend every arm returns")]
        let tensors = match name {
            "cpu" => return Ok(Self::cpu()),
            #[cfg(feature = "vulkan")]
            "vulkan" => burn::tensor::Device::vulkan(burn::tensor::DeviceKind::DefaultDevice),
            #[cfg(feature = "metal")]
            "metal" => burn::tensor::Device::metal(burn::tensor::DeviceKind::DefaultDevice),
            // Whatever API the system has, with shaders in WGSL; Burn's own `webgpu` means a browser's.
            #[cfg(feature = "webgpu")]
            "webgpu" => burn::tensor::Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
            #[cfg(feature = "cuda")]
            "cuda" => burn::tensor::Device::cuda(burn::tensor::DeviceIndex::Default),
            _ => return Err(UnknownDevice::NotBuilt(name)),
        };
        #[allow(unreachable_code, reason = "without a GPU backend every name has returned by here")]
        Ok(Self { name, tensors })
    }
}
