//! What the program says where: pipes that close, usage errors, completions and manual pages.

use std::process::{Command, Output, Stdio};

fn duchenne(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_duchenne")).args(arguments).output().unwrap()
}

/// A panic at a closed pipe ended `duchenne model info built-in | true` with exit code 101 and a stack.
#[test]
fn a_reader_that_has_seen_enough_ends_nothing() {
    for arguments in [
        &["model", "info", "built-in"][..],
        &["model", "info", "built-in", "--json"],
        &["--help"],
        &["completions", "bash"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duchenne"));
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Closed before anything is read.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_wrong_name_is_a_usage_error_that_lists_the_right_ones() {
    for (arguments, known) in [
        (&["predict", "x.png", "--device", "abacus"][..], "cpu, vulkan, metal, webgpu, cuda"),
        (&["eval", "built-in", "--data", "x", "--split", "unassigned"], "training, validation"),
        (
            &["compare", "built-in", "built-in-compact", "--data", "x", "--views", "two"],
            "single, mirrored, ten-crop",
        ),
        (
            &["data", "import", "folder", "x", "--out", "y", "--labels", "moods"],
            "fer2013, ckplus, ferplus, affectnet, rafdb",
        ),
    ] {
        let output = duchenne(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(known), "{arguments:?}: {said}");
    }
    // Known, but not in this build.
    let output = duchenne(&["predict", "x.png", "--device", "cuda"]);
    if output.status.code() == Some(2) {
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("build with `--features cuda`"), "{said}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = String::from_utf8(duchenne(&["completions", shell]).stdout).unwrap();
        assert!(script.contains("predict") && script.contains("reproduce"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man/man1");
    let output = duchenne(&["manual", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for page in ["duchenne.1", "duchenne-predict.1", "duchenne-data-import-fer2013.1", "duchenne-gan-train.1"]
    {
        let text = std::fs::read_to_string(out.join(page)).unwrap();
        assert!(text.starts_with(".ie") && text.contains(".SH SYNOPSIS"), "{page}");
    }
}
