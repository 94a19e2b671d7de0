//! What a person at a terminal sees and types.

use keybackup_tests::terminal::Terminal;
use keybackup_tests::{Device, PASSWORD, Server, tree};

const EMAIL: &str = "alice@example.org";

/// The twelve words on a screen, in order.
fn words(screen: &str) -> Vec<String> {
    let mut words = vec![String::new(); 12];
    let tokens: Vec<&str> = screen.split_whitespace().collect();
    for pair in tokens.windows(2) {
        if let Ok(number @ 1..=12) = pair[0].parse::<usize>() {
            pair[1].clone_into(&mut words[number - 1]);
        }
    }
    assert!(words.iter().all(|word| !word.is_empty()), "twelve words: {screen}");
    words
}

fn answer_quiz(terminal: &mut Terminal, words: &[String]) {
    for _ in 0..2 {
        let question = terminal.expect(": ");
        let number: usize = question
            .rsplit("Word ")
            .next()
            .and_then(|rest| rest.trim_end_matches(": ").parse().ok())
            .unwrap_or_else(|| panic!("a number: {question:?}"));
        terminal.line(&words[number - 1]);
    }
}

fn begin_register(device: &Device) -> (Terminal, Vec<String>) {
    let mut terminal = Terminal::start(device.command(["register", EMAIL]));
    terminal.expect("New password: ");
    terminal.line(PASSWORD);
    terminal.expect("The same again: ");
    terminal.line(PASSWORD);
    let screen = terminal.expect("Word ");
    let words = words(&screen);
    (terminal, words)
}

#[test]
fn registering_asks_two_words_back_before_the_account_is_made() {
    let server = Server::start();
    let accounts = || server.sql("SELECT COUNT(*) FROM accounts").trim().to_owned();

    let device = Device::new(&server.url);
    let (mut terminal, words) = begin_register(&device);
    assert_eq!(accounts(), "0", "the phrase is confirmed first");
    for _ in 0..3 {
        terminal.line("zebra-no-such-word");
    }
    let output = terminal.wait("register").expect(12);
    assert_eq!(accounts(), "0");
    assert!(!output.stderr.contains(PASSWORD), "a password is not shown");
    assert!(!device.profiles().join("default/login.json").exists());

    let (mut terminal, others) = begin_register(&device);
    assert_ne!(words, others);
    terminal.rewind("Word ");
    answer_quiz(&mut terminal, &others);
    let output = terminal.wait("register").expect(0);
    assert_eq!(accounts(), "1");
    assert_eq!(output.stdout.lines().count(), 1, "the phrase is not data: {output}");

    // At the prompt again: asked, hidden, and only once.
    let other = Device::new(&server.url);
    let mut terminal = Terminal::start(other.command(["login", EMAIL]));
    terminal.expect("Password of alice@example.org at ");
    terminal.line("wrong horse battery");
    terminal.wait("login").expect(12);
    let mut terminal = Terminal::start(other.command(["login", EMAIL]));
    terminal.expect("Password of alice@example.org at ");
    terminal.line(PASSWORD);
    let output = terminal.wait("login").expect(0);
    assert!(!output.stderr.contains(PASSWORD), "a password is not shown");
}

#[test]
fn choosing_confirming_and_giving_up() {
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    for name in ["alpha", "beta"] {
        tree::reference(&device.persona(name), name);
    }
    let mut terminal = Terminal::start(device.command(["push"]));
    terminal.expect("[1-2]: ");
    terminal.line("7");
    terminal.expect("[1-2]: ");
    terminal.line("2");
    let output = terminal.wait("push").expect(0);
    assert!(output.stdout.starts_with("beta"), "{output}");

    let mut terminal = Terminal::start(device.command(["remove", "beta"]));
    terminal.expect("[y/N]: ");
    terminal.line("n");
    terminal.wait("remove").expect(2);
    assert_eq!(device.one(["list"])["removed"], false);

    let mut terminal = Terminal::start(device.command(["remove", "beta"]));
    terminal.expect("[y/N]: ");
    terminal.ctrl_c();
    terminal.wait("remove").expect(130);
    assert_eq!(device.one(["list"])["removed"], false);

    let mut terminal = Terminal::start(device.command(["remove", "beta"]));
    terminal.expect("[y/N]: ");
    terminal.line("y");
    terminal.wait("remove").expect(0);
    assert_eq!(device.one(["list"])["removed"], true);

    // --no-input is for terminals, too.
    let terminal = Terminal::start(device.command(["--no-input", "push"]));
    terminal.wait("push").expect(2);

    // Ctrl-C at a password leaves the terminal as it was: what is typed is shown again.
    let other = Device::new(&server.url);
    let mut terminal = Terminal::start(other.command(["login", EMAIL]));
    terminal.expect("Password of alice@example.org at ");
    assert!(!terminal.echoes());
    terminal.ctrl_c();
    let (output, echoes) = terminal.wait_and_look("login");
    output.expect(130);
    assert!(echoes);
}
