//! What goes where, and what is asked.

use std::io;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::cli::ProgressMode;
use crate::error::{Code, Exit};

#[derive(Serialize)]
struct Answer {
    personas: Vec<String>,
}

fn json_options() -> Global {
    Global { json: true, ..Global::default() }
}

#[test]
fn data_and_messages_never_mix() {
    let (ui, captured) = Ui::captured(&[]);
    ui.line("data").expect("written");
    ui.say("message");
    ui.warn("careful");
    ui.fail(&Failure::new(Code::NotFound, "no persona 'x'").hint("keybackup list"));
    assert_eq!(captured.stdout(), "data\n");
    assert_eq!(
        captured.stderr(),
        "message\nwarning: careful\nerror: no persona 'x'\nhint: keybackup list\n"
    );
}

#[test]
fn quiet_leaves_errors() {
    let options = Global { quiet: true, progress: ProgressMode::Json, ..Global::default() };
    let (ui, captured) = Ui::captured_with(&options, &[]);
    ui.say("message");
    ui.warn("careful");
    drop(ui.progress(Task::Sending, None, Unit::Bytes, None));
    ui.fail(&Failure::new(Code::Io, "broken"));
    assert_eq!(captured.stderr(), "error: broken\n");
}

#[test]
fn json_is_one_document_and_stderr_only_documents() {
    let options = Global { progress: ProgressMode::Json, ..json_options() };
    let (ui, captured) = Ui::captured_with(&options, &[]);
    ui.json(&Answer { personas: vec!["work\n".to_owned()] }).expect("written");
    ui.say("message");
    ui.warn("careful");
    let progress = ui.progress(Task::Sending, Some("work"), Unit::Bytes, None);
    progress.set_total(20);
    progress.clone().advance(13);
    drop(progress);
    ui.fail(&Failure::new(Code::Rollback, "older than seen"));
    assert_eq!(captured.stdout(), "{\"schema\":1,\"personas\":[\"work\\n\"]}\n");
    let lines: Vec<Value> = captured
        .stderr()
        .lines()
        .map(|line| serde_json::from_str(line).expect("every line is a document"))
        .collect();
    let progress = |done, total: Option<u64>, rate: &Value, left_s: &Value| {
        json!({"schema": 1, "progress": {
            "task": "sending", "persona": "work", "done": done, "total": total, "unit": "bytes",
            "rate": rate, "left_s": left_s,
        }})
    };
    assert_eq!(lines.first(), Some(&json!({"schema": 1, "warning": {"message": "careful"}})));
    assert_eq!(lines.get(1), Some(&progress(0, None, &Value::Null, &Value::Null)));
    let end = &lines[lines.len() - 2];
    // How fast that was is the machine's matter.
    let (rate, left_s) = (&end["progress"]["rate"], &end["progress"]["left_s"]);
    assert!(rate.as_f64().is_some_and(|rate| rate > 0.0) && left_s.is_number(), "{end}");
    assert_eq!(end, &progress(13, Some(20), rate, left_s));
    assert_eq!(
        lines.last(),
        Some(&json!({"schema": 1, "error": {
            "code": "rollback", "exit": 14, "message": "older than seen", "hint": null,
        }}))
    );
}

#[test]
fn without_a_terminal_a_question_names_what_answers_it() {
    let (ui, captured) = Ui::captured(&[]);
    let failure = ui.password("Password", "--password-file").expect_err("nobody there");
    assert_eq!(failure.exit(), Exit::Usage);
    assert_eq!(failure.message(), "there is no terminal to ask: Password");
    assert_eq!(failure.hints(), ["give --password-file"]);
    assert_eq!(captured.stderr(), "");

    let options = Global { no_input: true, ..Global::default() };
    let (ui, _) = Ui::captured_with(&options, &["y"]);
    let failure = ui.confirm("Remove it?", "--yes").expect_err("not to be asked");
    assert_eq!(failure.message(), "--no-input forbids to ask: Remove it? [y/N]");
    assert!(ui.quiz("a b c").is_ok(), "there is nobody to ask back");
}

#[test]
fn only_yes_is_yes() {
    for (typed, yes) in [("y", true), ("YES", true), ("", false), ("n", false), ("yep", false)] {
        let (ui, _) = Ui::captured(&[typed]);
        let answer = ui.confirm("Remove it?", "--yes");
        assert_eq!(answer.is_ok(), yes, "{typed}");
        assert!(answer.is_ok() || answer.expect_err("no").code() == Code::Declined);
    }
}

#[test]
fn one_of_a_list_is_chosen_by_number() {
    let options = ["work\x1b".to_owned(), "home".to_owned()];
    let (ui, captured) = Ui::captured(&["0", "x", "2"]);
    assert_eq!(ui.choose("Which persona?", &options, "PERSONA"), Ok(1));
    assert!(captured.stderr().starts_with("  1  work\\u{1b}\n  2  home\nWhich persona? [1-2]: "));
    let (ui, _) = Ui::captured(&["3", "3", "3", "1"]);
    assert_eq!(ui.choose("Which?", &options, "PERSONA").expect_err("gave up").code(), Code::Usage);
}

#[test]
fn the_quiz_takes_the_words_and_nothing_else() {
    // All words alike: whichever two are asked, the answer is the same.
    let phrase = ["abandon"; 12].join(" ");
    let (ui, captured) = Ui::captured(&["wrong", " Abandon ", "abandon"]);
    ui.quiz(&phrase).expect("repeated");
    assert!(captured.stderr().contains("that is not word "));
    let (ui, _) = Ui::captured(&["a", "b", "c", "abandon", "abandon"]);
    assert_eq!(ui.quiz(&phrase).expect_err("three misses").code(), Code::Unconfirmed);
    let (ui, _) = Ui::captured(&["abandon"]);
    assert_eq!(ui.quiz(&phrase).expect_err("left").code(), Code::InputNeeded);
}

#[test]
fn a_phrase_is_shown_whole_even_when_quiet() {
    let options = Global { quiet: true, ..Global::default() };
    let (ui, captured) = Ui::captured_with(&options, &["x"]);
    let words: Vec<String> = (1..=12).map(|number| format!("word{number}")).collect();
    ui.show_phrase(&words.join(" "));
    let numbered: Vec<String> =
        (1..=12).flat_map(|number| [number.to_string(), format!("word{number}")]).collect();
    let shown = captured.stderr();
    let (_, list) = shown.split_once("\n\n").expect("a paragraph, then the words");
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), numbered);
    assert!(list.lines().all(|line| !line.ends_with(' ')));
}

#[test]
fn standard_input_is_read_once() {
    let (ui, _) = Ui::captured(&["secret"]);
    assert_eq!(ui.stdin("--password-stdin", 64).expect("read").as_slice(), b"secret");
    let failure = ui.stdin("--code-stdin", 64).expect_err("read already");
    assert_eq!(failure.code(), Code::Usage);
    assert_eq!(
        failure.message(),
        "--password-stdin and --code-stdin can't both read standard input"
    );
}

struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn a_closed_stdout_ends_quietly_and_a_full_one_does_not() {
    let (mut ui, captured) = Ui::captured(&[]);
    ui.stdout = Mutex::new(Box::new(Broken(io::ErrorKind::BrokenPipe)));
    let failure = ui.line("data").expect_err("closed");
    assert_eq!(failure.exit(), Exit::Other);
    ui.fail(&failure);
    assert_eq!(captured.stderr(), "");
    ui.stdout = Mutex::new(Box::new(Broken(io::ErrorKind::StorageFull)));
    let failure = ui.flush().expect_err("full");
    assert_eq!(failure.code(), Code::DiskFull);
    ui.fail(&failure);
    assert!(captured.stderr().starts_with("error: writing to standard output"));
}
