//! `duchenne serve`, over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{predict, video};

/// A server on a port of the system's choice; ended when dropped.
struct Server {
    process: Child,
    address: String,
    /// What it goes on to say.
    messages: BufReader<std::process::ChildStderr>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_duchenne"))
            .args(["serve", "--address", "127.0.0.1:0"])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut messages = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        messages.read_line(&mut line).unwrap();
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_once(','))
            .unwrap_or_else(|| panic!("{line}"))
            .0
            .to_owned();
        Self { process, address, messages }
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.ask_with(method, path, "", body)
    }

    /// With more lines in the head, each with its end.
    fn ask_with(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n{lines}\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses need not read all of it.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn example() -> Vec<u8> {
    std::fs::read(predict::example()).unwrap()
}

#[test]
fn a_picture_sent_is_a_picture_predicted() {
    let server = Server::start(&[]);
    let answer = server.ask("POST", "/api/predict", &example());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let mut expected: Value = {
        let (_, output, _) = predict::predict([predict::example().as_os_str(), "--json".as_ref()]);
        serde_json::from_str(&output).unwrap()
    };
    expected.as_object_mut().unwrap().remove("path");
    assert_eq!(answer.json(), expected);

    let whole = server.ask("POST", "/api/predict?whole=true", &example()).json();
    assert_eq!(whole["faces"].as_array().unwrap().len(), 1);
    assert_eq!(whole["faces"][0]["score"], Value::Null);
    assert_eq!(server.ask("POST", "/api/predict?whole=1", &example()).json(), whole);
    // All six faces are between 177 and 199 pixels high.
    let large = |side: u32| {
        let answer = server.ask("POST", &format!("/api/predict?min_face={side}"), &example());
        answer.json()["faces"].as_array().unwrap().len()
    };
    assert_eq!((large(60), large(400)), (6, 0));
}

#[test]
fn the_page_needs_nothing_else() {
    let server = Server::start(&["--model", "built-in-compact"]);
    let page = server.ask("GET", "/", b"");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"), "{}", page.head);
    assert!(page.head.contains("default-src 'none'"), "{}", page.head);
    // Names of SVG's own name space aside, nothing comes from elsewhere.
    let elsewhere = page.body.replace("http://www.w3.org/2000/svg", "").replace("http://127.0.0.1", "");
    assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"));
    assert!(!elsewhere.contains("src=\"") && !elsewhere.contains("<link"));
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_reason() {
    let server = Server::start(&["--max-upload", "1", "--model", "built-in-compact"]);
    let too_large = vec![0; (1 << 20) + 1];
    let mut cut = example();
    cut.truncate(cut.len() / 2);
    for (method, path, body, status, reason) in [
        ("POST", "/api/predict", &b"hello"[..], 422, "expected a JPEG, PNG"),
        ("POST", "/api/predict", b"", 422, "upload"),
        ("POST", "/api/predict", &cut, 422, "damaged or incomplete"),
        ("POST", "/api/predict", &too_large, 413, "--max-upload"),
        ("POST", "/api/predict?whole=perhaps", b"", 400, "whole"),
        ("POST", "/api/predict?min_face=3", b"", 400, "min_face is 3, expected 12 to 65535"),
        ("POST", "/api/predict?whole=true&min_face=30", b"", 400, "have no effect"),
        ("POST", "/api/predict?min_score=2", b"", 400, "min_score is 2, expected 0 to 1"),
        ("PUT", "/api/predict", b"", 405, "POST for /api/predict"),
        ("POST", "/api/predict?wohle=true", b"", 400, "wohle"),
        ("GET", "/favicon.ico", b"", 404, "/api/predict"),
    ] {
        let answer = server.ask(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(reason), "{method} {path}: {error}");
    }
    assert_eq!(server.ask("GET", "/api/predict", b"").status, 405);
    // It goes on.
    assert_eq!(server.ask("POST", "/api/predict", &example()).status, 200);
}

#[test]
fn a_picture_may_come_in_a_form_or_in_json() {
    use base64::Engine as _;

    let server = Server::start(&["--model", "built-in-compact"]);
    let expected = server.ask("POST", "/api/predict", &example()).json();
    let form = |parts: &[(&str, &[u8])]| {
        let part = |(head, body): &(&str, &[u8])| {
            let head = format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n");
            [head.as_bytes(), body, b"\r\n"].concat()
        };
        let parts: Vec<u8> = parts.iter().flat_map(part).collect();
        let body = [&parts[..], b"--edge--\r\n"].concat();
        server.ask_with("POST", "/api/predict", "Content-Type: multipart/form-data; boundary=edge\r\n", &body)
    };
    let answer = form(&[("name=\"note\"", b"hello"), ("name=\"image\"; filename=\"a.png\"", &example())]);
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    let empty = form(&[]);
    assert_eq!(empty.status, 422, "{}", empty.body);
    assert!(empty.body.contains("holds no file"), "{}", empty.body);

    let json = |body: &str| {
        server.ask_with("POST", "/api/predict", "Content-Type: application/json\r\n", body.as_bytes())
    };
    let encoded = base64::engine::general_purpose::STANDARD.encode(example());
    for image in [encoded.clone(), format!("data:image/png;base64,{encoded}")] {
        let answer = json(&format!("{{\"image\": \"{image}\"}}"));
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    }
    for (body, reason) in [("{\"image\": \"*\"}", "not base64"), ("{}", "expected {"), ("no", "expected {")] {
        let answer = json(body);
        assert!((400..=422).contains(&answer.status), "{}", answer.body);
        assert!(answer.json()["error"].as_str().unwrap().contains(reason), "{}", answer.body);
    }
}

#[test]
fn programs_find_health_and_description() {
    let server = Server::start(&["--model", "built-in-compact"]);
    let health = server.ask("GET", "/api/health", b"");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let description = server.ask("GET", "/api/openapi.json", b"").json();
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    // What is answered is what is described.
    let face = &description["components"]["schemas"]["Face"]["properties"];
    let answer = server.ask("POST", "/api/predict", &example()).json();
    for (key, _) in answer["faces"][0].as_object().unwrap() {
        assert!(face.get(key).is_some(), "`{key}` is not described");
    }
}

#[test]
fn other_origins_are_allowed_on_request() {
    let ask = |server: &Server| {
        let lines = "Origin: https://example.org\r\nAccess-Control-Request-Method: POST\r\n";
        let preflight = server.ask_with("OPTIONS", "/api/predict", lines, b"");
        let answer = server.ask_with("GET", "/api/health", "Origin: https://example.org\r\n", b"");
        [preflight, answer].map(|answer| answer.head.contains("access-control-allow-origin: "))
    };
    let model = ["--model", "built-in-compact"];
    assert_eq!(ask(&Server::start(&model)), [false, false]);
    for origin in ["https://example.org", "*"] {
        let options = [&model[..], &["--allow-origin", origin]].concat();
        assert_eq!(ask(&Server::start(&options)), [true, true], "{origin}");
    }
    let other = [&model[..], &["--allow-origin", "https://example.com"]].concat();
    assert_eq!(ask(&Server::start(&other)), [false, false]);
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_duchenne"))
        .args(["serve", "--allow-origin", "example.org"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("expected one such as https://example.org"), "{errors}");
}

#[test]
fn many_at_once_are_all_answered_alike() {
    let server = Server::start(&["--model", "built-in-compact"]);
    let example = example();
    let ask = || server.ask("POST", "/api/predict?min_face=60", &example);
    let expected = ask().json();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        for thread in threads {
            let answer = thread.join().unwrap();
            assert_eq!((answer.status, answer.json()), (200, expected.clone()));
        }
    });
}

#[test]
fn an_address_in_use_is_an_error() {
    let server = Server::start(&[]);
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_duchenne"))
        .args(["serve", "--address", &server.address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains(&format!("cannot listen on {}", server.address)), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[cfg(unix)]
#[test]
fn it_ends_when_told_to() {
    let mut server = Server::start(&[]);
    // An idle connection must not hold it up.
    let _idle = TcpStream::connect(&server.address).unwrap();
    let told = Command::new("kill").args(["-TERM", &server.process.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    server.messages.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Ctrl-C again"), "{rest}");
}

#[test]
fn a_video_gives_a_line_for_each_frame() {
    if !video::has_ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clip = video::still_clip(folder.path(), "clip.mp4", 75, &["-pix_fmt", "yuv420p"]);
    let clip = std::fs::read(clip).unwrap();
    let server = Server::start(&["--model", "built-in-compact", "--max-seconds", "2"]);
    let lines = |answer: &Answer| -> Vec<Value> {
        // Between the lines there are the lengths of the chunks.
        let lines = answer.body.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let answer = server.ask("POST", "/api/predict?every=0.5&smooth=0.2", &clip);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("application/x-ndjson"), "{}", answer.head);
    let found = lines(&answer);
    assert_eq!(found.len(), 5, "{}", answer.body);
    for (line, time) in found.iter().zip([0.0, 0.52, 1.0, 1.52]) {
        assert!((line["time"].as_f64().unwrap() - time).abs() < 0.001);
        assert_eq!(line["faces"][0]["track"], 1);
        assert!(line["faces"][0]["smoothed"]["expression"].is_string() && line.get("path").is_none());
    }
    let told = found[4]["warning"].as_str().unwrap();
    assert!(told.contains("this server looks at no more than 2 s"), "{told}");
    let part = server.ask("POST", "/api/predict?from=1&to=1.2", &clip);
    assert_eq!(lines(&part).len(), 5);
    let wrong = server.ask("POST", "/api/predict?every=0", &clip);
    assert_eq!(wrong.status, 400);
    let picture = server.ask("POST", "/api/predict?every=1", &example());
    assert_eq!(picture.status, 400);
    let broken = server.ask("POST", "/api/predict", &clip[..clip.len() / 2]);
    assert_eq!(broken.status, 422);
    let told = broken.json()["error"].as_str().unwrap().to_owned();
    assert!(told.starts_with("`upload` is damaged, or no video that is read"), "{told}");
    let without = Server::start(&["--model", "built-in-compact", "--ffmpeg", "/no/such/ffmpeg"]);
    let refused = without.ask("POST", "/api/predict", &clip);
    assert_eq!(refused.status, 501, "{}", refused.body);
}
