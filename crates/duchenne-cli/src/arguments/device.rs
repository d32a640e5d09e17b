//! Devices by name.

use anyhow::bail;
use burn::tensor::Device;

/// The device of this name: `cpu`, or a GPU backend that this build has.
pub fn device(name: &str) -> anyhow::Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
        // Whatever API the system has, with shaders in WGSL; Burn's own `webgpu` means a browser's.
        #[cfg(feature = "webgpu")]
        "webgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(burn::tensor::DeviceIndex::Default)),
        "vulkan" | "metal" | "webgpu" | "cuda" => {
            bail!("this build has no `{name}`; build with `--features {name}`")
        }
        _ => bail!("unknown device `{name}`, expected cpu, vulkan, metal, webgpu or cuda"),
    }
}
