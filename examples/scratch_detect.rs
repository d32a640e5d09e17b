use std::time::Instant;
fn main() {
    let mut args = std::env::args().skip(1);
    let scale: f32 = args.next().unwrap().parse().unwrap();
    let thresh: f64 = args.next().unwrap().parse().unwrap();
    let pad: u32 = args.next().unwrap().parse().unwrap();
    let t = Instant::now();
    let model = rustface::read_model(std::io::Cursor::new(
        std::fs::read("assets/seetaface/seeta_fd_frontal_v1.0.bin").unwrap(),
    ))
    .unwrap();
    eprintln!("model {:?}", t.elapsed());
    let t = Instant::now();
    let _m2 = model.clone();
    eprintln!("clone {:?}", t.elapsed());
    let mut d = rustface::create_detector_with_model(model);
    d.set_score_thresh(thresh);
    for p in args {
        let g = image::open(&p).unwrap().to_luma8();
        let (w, h) = ((g.width() as f32 * scale) as u32, (g.height() as f32 * scale) as u32);
        let g = image::imageops::resize(&g, w, h, image::imageops::FilterType::Triangle);
        let g = image::GrayImage::from_fn(w + 2 * pad, h + 2 * pad, |x, y| {
            let cx = x.saturating_sub(pad).min(w - 1);
            let cy = y.saturating_sub(pad).min(h - 1);
            *g.get_pixel(cx, cy)
        });
        let t = Instant::now();
        let faces = d.detect(&rustface::ImageData::new(&g, g.width(), g.height()));
        let ms = t.elapsed().as_secs_f32() * 1e3;
        print!("{p} {}x{} {ms:.0}ms", g.width(), g.height());
        for f in faces {
            let b = f.bbox();
            print!(
                " [{:.1} {:.1} {:.1} {:.1} s{:.2}]",
                (b.x() - pad as i32) as f32 / scale,
                (b.y() - pad as i32) as f32 / scale,
                b.width() as f32 / scale,
                b.height() as f32 / scale,
                f.score()
            );
        }
        println!();
    }
}
