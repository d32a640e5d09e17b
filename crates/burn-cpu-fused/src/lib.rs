//! Fused channel-major CPU kernels for Burn.
