//! `duchenne predict` and `serve` on videos and animations that the tests make: drawn faces that move, cross, leave, change.
//!
//! They need ffmpeg, and say aloud that they skip where it is missing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, RgbaImage};
use serde_json::Value;

use super::predict as pictures;

/// Whether ffmpeg is there.
pub(crate) fn has_ffmpeg() -> bool {
    let there = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        eprintln!("SKIPPED: no ffmpeg on this machine, so no video is read");
    }
    there
}

/// A face of `examples/faces.png`, by its place there, at this width.
fn sprite(place: u32, width: u32) -> RgbaImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faces.png");
    let panels = image::open(path).unwrap().into_rgb8();
    let panel = imageops::crop_imm(&panels, place % 3 * 300, place / 3 * 340, 300, 340).to_image();
    let panel = imageops::resize(&panel, width, width * 340 / 300, FilterType::Triangle);
    let (across, down) = (panel.width() as f32, panel.height() as f32);
    RgbaImage::from_fn(panel.width(), panel.height(), |x, y| {
        let [red, green, blue] = panel.get_pixel(x, y).0;
        let away = ((x as f32 / across - 0.5) / 0.4).hypot((y as f32 / down - 0.5) / 0.47);
        let cover = ((1.04 - away) / 0.06).clamp(0.0, 1.0);
        image::Rgba([red, green, blue, (cover * 255.0) as u8])
    })
}

/// A face in a frame: its sprite, and the place of its centre.
type Placed<'a> = (&'a RgbaImage, f64, f64);

/// Frames over a ground of soft shades, as raw pixels.
fn frames(size: [u32; 2], times: &[f64], place: impl Fn(f64) -> Vec<Placed<'static>>) -> Vec<u8> {
    let ground = RgbImage::from_fn(size[0], size[1], |x, y| {
        let wave = |length: f32, at: u32| ((at as f32 / length).sin() * 20.0) as i32;
        Rgb([(100 + wave(60.0, x)) as u8, (110 + wave(50.0, y)) as u8, (115 + wave(70.0, x + y)) as u8])
    });
    let mut bytes = Vec::new();
    for time in times {
        let mut frame = image::DynamicImage::from(ground.clone()).into_rgba8();
        for (sprite, x, y) in place(*time) {
            let left = x as i64 - i64::from(sprite.width() / 2);
            let top = y as i64 - i64::from(sprite.height() / 2);
            imageops::overlay(&mut frame, sprite, left, top);
        }
        bytes.extend(image::DynamicImage::from(frame).into_rgb8().into_raw());
    }
    bytes
}

/// Keeps sprites for as long as the tests run.
fn kept(sprite: RgbaImage) -> &'static RgbaImage {
    Box::leak(Box::new(sprite))
}

/// Encodes raw frames with ffmpeg's options for the frames' input (rate) and the output.
pub(crate) fn encode(out: &Path, size: [u32; 2], rate: &str, bytes: &[u8], options: &[&str]) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", &format!("{}x{}", size[0], size[1]), "-r", rate, "-i", "pipe:0"])
        .args(options)
        .arg(out)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(child.wait().unwrap().success());
}

fn times(count: usize, rate: f64) -> Vec<f64> {
    (0..count).map(|at| at as f64 / rate).collect()
}

/// What `predict` answers: its exit code, its output, what it said.
fn predict(args: &[&str]) -> (i32, String, String) {
    pictures::predict(args)
}

/// The frames that `predict --json` gives, and what it said.
fn lines(args: &[&str]) -> (Vec<Value>, String) {
    let (code, output, said) = predict(args);
    assert_eq!(code, 0, "{said}");
    (output.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), said)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn ask(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One face that stands still, and names of expressions by time.
pub(crate) fn still_clip(folder: &Path, name: &str, count: usize, options: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let face = kept(sprite(0, 130));
    let bytes = frames([320, 240], &times(count, 25.0), |_| vec![(face, 160.0, 120.0)]);
    encode(&path, [320, 240], "25", &bytes, options);
    path
}

#[test]
fn times_are_those_of_the_frames() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let face = kept(sprite(0, 130));
    let bytes = frames([320, 240], &times(30, 25.0), |_| vec![(face, 160.0, 120.0)]);
    for (rate, seconds) in [("24", 1.0 / 24.0), ("25", 0.04), ("30000/1001", 1001.0 / 30000.0)] {
        let path = folder.path().join("clip.mp4");
        encode(&path, [320, 240], rate, &bytes, &["-pix_fmt", "yuv420p"]);
        let (lines, _) = lines(&[text(&path), "--json", "--model", "built-in-compact"]);
        assert_eq!(lines.len(), 30, "{rate}");
        for (index, line) in lines.iter().enumerate() {
            let time = line["time"].as_f64().unwrap();
            assert!((time - index as f64 * seconds).abs() < 0.001, "{rate}: frame {index} at {time}");
            assert_eq!(line["frame"], index);
            assert_eq!(line["faces"][0]["track"], 1);
        }
    }
    // A rate that changes: 40 ms for ten frames, 100 ms after.
    let path = folder.path().join("variable.mkv");
    let uneven = "settb=1/1000,setpts='if(lt(N,10),N*0.04,0.4+(N-10)*0.1)/TB'";
    encode(&path, [320, 240], "25", &bytes, &["-vf", uneven, "-vsync", "vfr", "-enc_time_base", "1:1000"]);
    let (lines, _) = lines(&[text(&path), "--json", "--model", "built-in-compact"]);
    assert_eq!(lines.len(), 30);
    for (index, line) in lines.iter().enumerate() {
        let expected = if index < 10 { index as f64 * 0.04 } else { 0.4 + (index as f64 - 10.0) * 0.1 };
        assert!((line["time"].as_f64().unwrap() - expected).abs() < 0.001, "{index}: {line}");
    }
}

#[test]
fn sections_and_rates_are_taken_by_their_times() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = still_clip(folder.path(), "clip.mp4", 50, &["-pix_fmt", "yuv420p"]);
    let at = |options: &[&str]| -> Vec<f64> {
        let mut args = vec![text(&path), "--json", "--model", "built-in-compact"];
        args.extend(options);
        lines(&args).0.iter().map(|line| line["time"].as_f64().unwrap()).collect()
    };
    assert_eq!(at(&["--every", "0.5"]), [0.0, 0.52, 1.0, 1.52]);
    assert_eq!(at(&["--fps", "2", "--from", "0.9"]), [0.92, 1.0, 1.52]);
    assert_eq!(at(&["--from", "0.4", "--to", "0:00.56"]), [0.4, 0.44, 0.48, 0.52]);
    let (code, _, said) = predict(&[text(&path), "--from", "100"]);
    assert!(code == 1 && said.contains("has no frame from 100 s on"), "{said}");
    let (code, _, said) = predict(&[text(&path), "--from", "2", "--to", "1"]);
    assert!(code == 1 && said.contains("not after its beginning"), "{said}");
}

#[test]
fn a_clip_is_seen_as_its_rotation_says() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let upright =
        still_clip(folder.path(), "upright.mp4", 10, &["-vf", "transpose=1", "-pix_fmt", "yuv420p"]);
    let rotated = folder.path().join("rotated.mp4");
    // Versions from 6 on take it as an option of the input, older ones as a tag.
    let (source, target) = (text(&upright), text(&rotated));
    let new = ["-v", "quiet", "-y", "-display_rotation", "90", "-i", source, "-c", "copy", target];
    let old = ["-v", "error", "-y", "-i", source, "-c", "copy", "-metadata:s:v:0", "rotate=90", target];
    if !Command::new("ffmpeg").args(new).status().unwrap().success() {
        assert!(Command::new("ffmpeg").args(old).status().unwrap().success());
    }
    let (lines, _) = lines(&[text(&rotated), "--json", "--model", "built-in-compact"]);
    assert_eq!(lines.len(), 10);
    assert_eq!((lines[0]["width"].as_u64(), lines[0]["height"].as_u64()), (Some(320), Some(240)));
    assert!(lines[0]["faces"][0]["angle"].as_f64().unwrap().abs() < 12.0, "{}", lines[0]);
}

/// Where the face with this number is in each frame that shows it, by the middle of its box.
fn path_of(lines: &[Value], track: u64) -> Vec<(f64, f64)> {
    let middle = |face: &Value| {
        let bounds = &face["box"];
        bounds["x"].as_f64().unwrap() + bounds["width"].as_f64().unwrap() / 2.0
    };
    let of_line = |line: &Value| {
        let faces = line["faces"].as_array().unwrap();
        let face = faces.iter().find(|face| face["track"] == track)?;
        Some((line["time"].as_f64().unwrap(), middle(face)))
    };
    lines.iter().filter_map(of_line).collect()
}

fn most_tracks(lines: &[Value]) -> u64 {
    let faces = lines.iter().flat_map(|line| line["faces"].as_array().unwrap());
    faces.map(|face| face["track"].as_u64().unwrap()).max().unwrap_or(0)
}

#[test]
fn faces_that_cross_keep_their_numbers() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (behind, before) = (kept(sprite(0, 160)), kept(sprite(4, 160)));
    for (rate, name) in [(24.0, "24"), (25.0, "25"), (30000.0 / 1001.0, "30000/1001")] {
        let places =
            |time: f64| vec![(behind, 100.0 + 110.0 * time, 240.0), (before, 540.0 - 110.0 * time, 240.0)];
        let times = times((4.0 * rate) as usize, rate);
        let path = folder.path().join("cross.mp4");
        encode(&path, [640, 480], name, &frames([640, 480], &times, places), &["-pix_fmt", "yuv420p"]);
        let (lines, _) = lines(&[text(&path), "--json", "--model", "built-in-compact"]);
        assert_eq!(most_tracks(&lines), 2, "{name}: a number was given anew");
        let (first, second) = (path_of(&lines, 1), path_of(&lines, 2));
        // One of them is hidden for half a second.
        assert!(first.len() * 10 > 8 * lines.len() && second.len() * 10 > 9 * lines.len(), "{name}");
        for (time, x) in first {
            assert!((x - (100.0 + 110.0 * time)).abs() < 45.0, "{name}: switched at {time}: {x}");
        }
        for (time, x) in second {
            assert!((x - (540.0 - 110.0 * time)).abs() < 45.0, "{name}: switched at {time}: {x}");
        }
    }
}

#[test]
fn a_face_that_comes_back_within_a_second_keeps_its_number() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (stays, leaves) = (kept(sprite(2, 150)), kept(sprite(4, 150)));
    let away = |time: f64| match time {
        time if time < 1.0 => 0.0,
        time if time < 1.6 => (time - 1.0) * 400.0,
        time => (240.0 - (time - 1.6) * 400.0).max(0.0),
    };
    let places = |time: f64| vec![(stays, 150.0, 240.0), (leaves, 530.0 + away(time), 240.0)];
    let path = folder.path().join("leaves.mp4");
    let bytes = frames([640, 480], &times(80, 25.0), places);
    encode(&path, [640, 480], "25", &bytes, &["-pix_fmt", "yuv420p"]);
    let (lines, _) = lines(&[text(&path), "--json", "--model", "built-in-compact"]);
    assert_eq!(path_of(&lines, 1).len(), 80);
    let second = path_of(&lines, 2);
    assert!(
        second.len() < 75 && second.last().unwrap().0 > 3.0,
        "it was never gone, or not found again: {second:?}"
    );
    assert_eq!(most_tracks(&lines), 2);
}

#[test]
fn a_face_that_turns_keeps_its_number_and_is_upright_in_its_crop() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let turned: Vec<&RgbaImage> = (0..=45)
        .map(|step| {
            let face = sprite(3, 150);
            let angle = (f32::from(step as u16) * 2.0).to_radians();
            let (sine, cosine) = angle.sin_cos();
            let side = 220_u32;
            let at = |x: i64, y: i64| {
                let inside = x >= 0 && y >= 0 && x < i64::from(face.width()) && y < i64::from(face.height());
                if inside { *face.get_pixel(x as u32, y as u32) } else { image::Rgba([0; 4]) }
            };
            kept(RgbaImage::from_fn(side, side, |x, y| {
                let (x, y) = (x as f32 - 110.0, y as f32 - 110.0);
                let back = [x * cosine + y * sine, y * cosine - x * sine];
                at(
                    (back[0] + face.width() as f32 / 2.0) as i64,
                    (back[1] + face.height() as f32 / 2.0) as i64,
                )
            }))
        })
        .collect();
    let places = |time: f64| vec![(turned[((time * 15.0) as usize).min(45)], 160.0, 120.0)];
    let path = folder.path().join("turns.mp4");
    let bytes = frames([320, 240], &times(85, 25.0), places);
    encode(&path, [320, 240], "25", &bytes, &["-pix_fmt", "yuv420p"]);
    let (lines, _) = lines(&[text(&path), "--json"]);
    assert_eq!(most_tracks(&lines), 1);
    let seen = path_of(&lines, 1).len();
    assert!(seen > 80, "seen in {seen} of 85 frames");
    let angle = lines.last().unwrap()["faces"][0]["angle"].as_f64().unwrap();
    assert!((70.0..=110.0).contains(&angle), "{angle}");
    let expression = |line: &Value| line["faces"][0]["expression"].as_str().unwrap().to_owned();
    assert_eq!(expression(&lines[0]), expression(lines.last().unwrap()));
}

#[test]
fn smoothing_takes_out_flicker_and_keeps_the_onset() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (happy, angry) = (kept(sprite(0, 180)), kept(sprite(4, 180)));
    // Angry from 2 s on, and for single frames before and after the other way round.
    let places = |time: f64| {
        let frame = (time * 25.0).round() as usize;
        let flickers = [10, 22, 33, 70, 84, 95].contains(&frame);
        vec![(if (frame >= 50) != flickers { angry } else { happy }, 320.0, 240.0)]
    };
    let path = folder.path().join("changes.mp4");
    let bytes = frames([640, 480], &times(110, 25.0), places);
    encode(&path, [640, 480], "25", &bytes, &["-pix_fmt", "yuv420p"]);
    let (lines, _) = lines(&[text(&path), "--json", "--smooth", "0.15"]);
    let raw: Vec<&str> = lines.iter().map(|line| line["faces"][0]["expression"].as_str().unwrap()).collect();
    let smooth: Vec<&str> =
        lines.iter().map(|line| line["faces"][0]["smoothed"]["expression"].as_str().unwrap()).collect();
    let changes = |labels: &[&str]| labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes(&raw) >= 9, "the clip does not flicker: {raw:?}");
    assert!(2 * changes(&smooth) <= changes(&raw), "{} of {}", changes(&smooth), changes(&raw));
    let last = smooth.last().unwrap();
    let onset = smooth.iter().rposition(|label| label != last).unwrap() + 1;
    let late = lines[onset]["time"].as_f64().unwrap() - 2.0;
    assert!((0.0..=0.15).contains(&late), "the change came {late} s late");
}

#[test]
fn every_file_is_made_of_a_clip_with_sound() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let silent = still_clip(folder.path(), "silent.mp4", 50, &["-pix_fmt", "yuv420p"]);
    let clip = folder.path().join("clip.mp4");
    let tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:v", "copy", "-shortest"];
    let mut arguments = vec!["-v", "error", "-y", "-i", text(&silent)];
    arguments.extend(tone);
    arguments.push(text(&clip));
    assert!(Command::new("ffmpeg").args(arguments).status().unwrap().success());
    let made = |name: &str| folder.path().join(name);
    let (copy, page, titles) = (made("copy.mp4"), made("page.html"), made("titles.srt"));
    let (code, table, said) = predict(&[
        text(&clip),
        "--annotate",
        text(&copy),
        "--timeline",
        text(&page),
        "--srt",
        text(&titles),
        "--smooth",
        "0.2",
        "--summary",
        text(&made("summary.json")),
    ]);
    assert_eq!(code, 0, "{said}");
    assert!(table.contains("(320 x 240, 2.00 s, 50 frames, 1 person)") && table.contains("happy"), "{table}");
    let shown = |path: &Path, entries: &str| {
        ask("ffprobe", &["-v", "error", "-of", "csv=p=0", "-show_entries", entries, text(path)])
    };
    assert!(shown(&copy, "stream=codec_type").contains("audio"), "the sound is gone");
    let counted = ask(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_frames",
            "-select_streams",
            "v",
            "-of",
            "csv=p=0",
            "-show_entries",
            "stream=nb_read_frames,width,height",
            text(&copy),
        ],
    );
    assert_eq!(counted.trim(), "320,240,50");
    let duration: f64 = shown(&copy, "format=duration").trim().parse().unwrap();
    assert!((duration - 2.0).abs() < 0.1, "{duration}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("Person 1") && page.contains("data:image/jpeg;base64,"));
    let titles = std::fs::read_to_string(titles).unwrap();
    assert!(titles.starts_with("1\n00:00:00,000 --> 00:00:02,000\nhappy\n"), "{titles}");
    let summary: Value = serde_json::from_slice(&std::fs::read(made("summary.json")).unwrap()).unwrap();
    assert_eq!(
        (summary["videos"]["clips"].as_u64(), summary["videos"]["frames"].as_u64()),
        (Some(1), Some(50))
    );
    assert!(left_over(folder.path()).is_empty());
    // Two clips have no place in one file.
    let (code, _, said) = predict(&[text(&clip), text(&silent), "--timeline", text(&made("other.html"))]);
    assert!(code == 1 && said.contains("name a folder"), "{said}");
    // The clip itself is never replaced.
    let (code, _, said) = predict(&[text(&clip), "--annotate", text(&clip)]);
    assert!(code == 1 && said.contains("is the input itself"), "{said}");
}

/// Temporary files below a folder.
fn left_over(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { left_over(&path) } else { vec![path] })
        .filter(|path| path.to_string_lossy().contains(".partial"))
        .collect()
}

#[test]
fn a_folder_is_taken_up_where_it_was_left() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips");
    std::fs::create_dir_all(clips.join("more")).unwrap();
    still_clip(&clips, "a.mp4", 10, &["-pix_fmt", "yuv420p"]);
    still_clip(&clips.join("more"), "b.mkv", 12, &["-pix_fmt", "yuv420p"]);
    std::fs::write(clips.join("c.mp4"), b"\0\0\0\x18ftypmp42 and no more").unwrap();
    let out = clips.join("results");
    let run = |more: &[&str]| {
        let mut args = vec![text(&clips), "--csv", "--out", text(&out), "--model", "built-in-compact"];
        args.extend(more);
        predict(&args)
    };
    let (code, _, said) = run(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("c.mp4` is damaged, or no video that is read"), "{said}");
    assert!(said.contains("1 of 3 files failed"), "{said}");
    let rows = |name: &str| std::fs::read_to_string(out.join(name)).unwrap().lines().count();
    assert_eq!((rows("a.csv"), rows("more/b.csv")), (11, 13));
    assert!(!out.join("c.csv").exists() && left_over(&out).is_empty());
    std::fs::remove_file(out.join("a.csv")).unwrap();
    std::fs::write(out.join("more/b.csv"), "kept\n").unwrap();
    let (_, _, said) = run(&[]);
    assert!(said.contains("1 clip done before"), "{said}");
    assert_eq!((rows("a.csv"), rows("more/b.csv")), (11, 1));
    let (code, _, said) = run(&["--smooth", "0.5"]);
    assert!(code == 1 && said.contains("made with other settings (smooth"), "{said}");
}

#[test]
fn what_is_no_clip_is_told_in_one_message() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str| folder.path().join(name);
    let refused = |path: &Path, expected: &str| {
        let page = made("page.html");
        let (code, _, said) = predict(&[text(path), "--timeline", text(&page)]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!page.exists() && left_over(folder.path()).is_empty());
    };
    std::fs::write(made("text.mp4"), "a text that calls itself a video\n").unwrap();
    refused(&made("text.mp4"), "text.mp4` is damaged, or no video that is read");
    // A play list that would lead to another file.
    std::fs::write(made("list.mp4"), "#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n").unwrap();
    refused(&made("list.mp4"), "list.mp4` is damaged, or no video that is read");
    let sound = made("sound.mp4");
    let tone = ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", text(&sound)];
    assert!(Command::new("ffmpeg").args(tone).status().unwrap().success());
    refused(&sound, "holds sound, but no video");
    let large = made("large.mkv");
    let source = ["-v", "error", "-f", "lavfi", "-i", "color=red:size=10000x10000:rate=1:duration=1"];
    let coded = ["-c:v", "libx264", "-preset", "ultrafast", text(&large)];
    assert!(Command::new("ffmpeg").args(source).args(coded).status().unwrap().success());
    refused(&large, "has frames of 10000 x 10000 pixels, at most 33 megapixels are read");
    let whole = still_clip(folder.path(), "whole.mp4", 50, &["-pix_fmt", "yuv420p"]);
    let (_, _, said) = predict(&[text(&whole), "--ffmpeg", "/no/such/ffmpeg"]);
    assert!(said.contains("install ffmpeg"), "{said}");
    let (code, _, said) = predict(&[text(&whole), "--annotate", text(&made("no/such/folder/copy.mp4"))]);
    assert!(code == 1 && said.contains("create it first"), "{said}");
}

#[test]
fn a_clip_that_is_cut_off_gives_what_it_has_and_a_warning() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = ["-pix_fmt", "yuv420p", "-movflags", "faststart", "-g", "5", "-bf", "0"];
    let whole = still_clip(folder.path(), "whole.mp4", 100, &options);
    let bytes = std::fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() * 6 / 10]).unwrap();
    let (lines, said) = lines(&[text(&cut), "--json", "--model", "built-in-compact"]);
    assert!((10..95).contains(&lines.len()), "{}", lines.len());
    assert!(said.contains("cut.mp4` is cut off: its frames end at"), "{said}");
    assert!(lines.last().unwrap()["warning"].as_str().unwrap().contains("cut off"));
}

/// A script that stands for ffmpeg: `ffprobe` beside it is the real one.
#[cfg(unix)]
fn false_ffmpeg(folder: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("ffmpeg");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let real = ask("sh", &["-c", "command -v ffprobe"]);
    let _ = std::os::unix::fs::symlink(real.trim(), folder.join("ffprobe"));
    path
}

#[cfg(unix)]
#[test]
fn a_killed_ffmpeg_is_told_and_leaves_nothing() {
    if !has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clip = still_clip(folder.path(), "clip.mp4", 50, &["-pix_fmt", "yuv420p"]);
    let (out, page) = (folder.path().join("out"), folder.path().join("page.html"));
    // Ends in the middle of a frame, as a killed program does.
    let program = false_ffmpeg(folder.path(), "ffmpeg \"$@\" | head -c 2000000\nkill -9 $$");
    let args = ["--ffmpeg", text(&program), "--timeline", text(&page), "--out", text(&out)];
    let mut all = vec![text(&clip)];
    all.extend(args);
    let (code, _, said) = predict(&all);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("ffmpeg was ended by signal 9, after 8 frames"), "{said}");
    assert!(!page.exists() && !out.join("clip.csv").exists() && left_over(folder.path()).is_empty());
    // One that cannot write what it makes.
    let full = "case \"$*\" in *pipe:0*) echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 1;; esac\n\
                exec ffmpeg \"$@\"";
    let program = false_ffmpeg(folder.path(), full);
    let copy = folder.path().join("copy.mp4");
    let (code, _, said) = predict(&[text(&clip), "--ffmpeg", text(&program), "--annotate", text(&copy)]);
    assert!(code == 1 && said.contains("No space left on device"), "{said}");
    assert!(!copy.exists() && left_over(folder.path()).is_empty());
}

#[test]
fn animations_are_clips_and_need_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("animated.gif");
    let face = kept(sprite(0, 130));
    let bytes = frames([320, 240], &times(6, 10.0), |time| vec![(face, 150.0 + 40.0 * time, 120.0)]);
    let mut file = std::fs::File::create(&path).unwrap();
    let mut encoder = image::codecs::gif::GifEncoder::new_with_speed(&mut file, 30);
    for (at, frame) in bytes.chunks_exact(320 * 240 * 3).enumerate() {
        let frame = RgbImage::from_raw(320, 240, frame.to_vec()).unwrap();
        // Hundredths of a second; nothing at all is shown for a tenth.
        let delay = image::Delay::from_numer_denom_ms(if at == 0 { 0 } else { 200 }, 1);
        let frame = image::DynamicImage::from(frame).into_rgba8();
        encoder.encode_frame(image::Frame::from_parts(frame, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    let args = [text(&path), "--json", "--ffmpeg", "/no/such/ffmpeg", "--model", "built-in-compact"];
    let (lines, _) = lines(&args);
    let times: Vec<f64> = lines.iter().map(|line| line["time"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, 0.1, 0.3, 0.5, 0.7, 0.9]);
    assert_eq!(most_tracks(&lines), 1);
    // Cut in the middle of a frame.
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (code, said, _) = predict(&args);
    assert_eq!(code, 1);
    assert!(said.lines().last().unwrap().contains("is damaged or incomplete"), "{said}");
    if !has_ffmpeg() {
        return;
    }
    for (name, codec) in [("animated.png", "apng"), ("animated.webp", "libwebp_anim")] {
        let path = folder.path().join(name);
        let raw = frames([320, 240], &super::video::times(6, 10.0), |time| {
            vec![(face, 150.0 + 40.0 * time, 120.0)]
        });
        let format = if codec == "apng" { "apng" } else { "webp" };
        encode(&path, [320, 240], "10", &raw, &["-c:v", codec, "-f", format]);
        let (lines, _) = self::lines(&[text(&path), "--json", "--ffmpeg", "/no/such/ffmpeg"]);
        assert_eq!(lines.len(), 6, "{name}");
        assert!((lines[5]["time"].as_f64().unwrap() - 0.5).abs() < 0.01, "{name}");
    }
}
