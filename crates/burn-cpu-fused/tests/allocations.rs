//! After the first image, inference allocates no buffer. A binary of its own, since it counts what the
//! allocator of the whole process does.

#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};
use burn_cpu_fused::{Activation, FeatureMap, PackedConvolution};

/// Allocations of at least [`BUFFER`] bytes so far.
static BUFFERS: AtomicUsize = AtomicUsize::new(0);
/// Less than the smallest activation of the network below.
const BUFFER: usize = 32 << 10;

struct Counting;

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= BUFFER {
            BUFFERS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// On one thread, where it is certain which one works: every thread of a pool takes its scratch with its
/// first task, and on a busy machine that may come with a later image.
#[test]
fn later_images_need_no_new_buffers() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(count_buffers);
}

fn count_buffers() {
    let device = Device::flex();
    let layer = |inputs: usize, outputs: usize, kernel: usize, stride: usize| {
        let weight = Tensor::ones([outputs, inputs, kernel, kernel], &device);
        PackedConvolution::new(weight * 1e-2, Tensor::zeros([outputs], &device), stride, kernel / 2)
    };
    let layers = [layer(1, 64, 7, 2), layer(64, 64, 3, 1), layer(64, 128, 1, 1), layer(128, 64, 3, 2)];
    // The input itself is the caller's, and small.
    let image = Tensor::<4>::ones([1, 1, 64, 64], &device);
    let forward = || {
        let mut map = FeatureMap::from_batch(image.clone());
        for layer in &layers {
            map = map.packed_conv2d(layer, None, Activation::Relu);
        }
        map.max_pool2d(2, 2, 0).global_average_pool().into_data()
    };
    let first = forward();
    forward();
    let before = BUFFERS.load(Ordering::Relaxed);
    assert!(before > 0, "the first image takes buffers");
    for _ in 0..5 {
        assert_eq!(forward(), first);
    }
    let after = BUFFERS.load(Ordering::Relaxed);
    assert_eq!(after - before, 0, "new buffers for images after the first");
}
