//! Which disk, and whether really: questions and answers, as a machine of three states.
//!
//! ```text
//!            number, path           its path, or `yes` if it is blank
//!   ┌─► Disk ────────────► Confirm ───────────────────────────────────► install
//!   │    │ q   ▲              │ anything else
//!   │    ▼     └──────────────┤
//!   │  Leave ─────────────────┘ reboot, poweroff ─► the end
//!   └── r: look again
//! ```
//!
//! It reads and writes nothing: lines go in, texts come out.

use super::endings;
use super::offers::{Offer, table};
use crate::machine::power::Power;

/// The dialog.
#[derive(Debug)]
pub(super) struct Dialog {
    offers: Vec<Offer>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Disk,
    Confirm(usize),
    Leave,
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The next question, after this has been said.
    Ask(String),
    /// It is confirmed: all that is on this disk may go, but what stays.
    Install(Offer),
    /// The disks are to be looked at again.
    Rescan,
    /// No installation.
    Leave(Power),
}

impl Dialog {
    /// Begins with the list; or with the question whether really, where a disk is named already.
    pub(super) fn new(offers: Vec<Offer>, named: Option<&str>) -> Self {
        let is_it = |offer: &Offer| Some(offer.path.as_str()) == named && offer.is_possible();
        let state = offers.iter().position(is_it).map_or(State::Disk, State::Confirm);
        Self { offers, state }
    }

    /// The question.
    pub(super) fn question(&self) -> String {
        match self.state {
            State::Disk => {
                let table = table(&self.offers);
                let none = if table.is_empty() { "     no disk at all\n" } else { "" };
                format!(
                    "\ndisks of this machine:\n\n{table}{none}\n\
                     number or path of the disk to install to (r looks again, q leaves): "
                )
            }
            State::Confirm(index) => self.offers.get(index).map(confirm).unwrap_or_default(),
            State::Leave => "reboot or poweroff (anything else goes back)? ".to_owned(),
        }
    }

    /// What an answer comes to.
    pub(super) fn answer(&mut self, line: &str) -> Reply {
        match self.state {
            State::Disk => self.choose(line),
            State::Confirm(index) => match self.offers.get(index) {
                Some(offer) if is_confirmed(offer, line) => Reply::Install(offer.clone()),
                _ => self.go(State::Disk, "not confirmed: nothing is changed\n"),
            },
            State::Leave => match endings::power(line) {
                Some(power) => Reply::Leave(power),
                None => self.go(State::Disk, ""),
            },
        }
    }

    fn choose(&mut self, line: &str) -> Reply {
        match line {
            "" => return Reply::Ask(String::new()),
            "r" | "R" => return Reply::Rescan,
            "q" | "Q" => return self.go(State::Leave, ""),
            _ => {}
        }
        let by_path = self.offers.iter().position(|offer| offer.path == line);
        let by_number = line.parse().ok().and_then(|number: usize| number.checked_sub(1));
        let index = by_path.or(by_number);
        match index.and_then(|index| Some((index, self.offers.get(index)?))) {
            Some((index, offer)) if offer.is_possible() => self.go(State::Confirm(index), ""),
            Some((_, offer)) => Reply::Ask(format!("{}\n", offer.against.join("\n"))),
            None => Reply::Ask(format!("`{line}` is none of the disks\n")),
        }
    }

    fn go(&mut self, state: State, said: &str) -> Reply {
        self.state = state;
        Reply::Ask(said.to_owned())
    }
}

/// Whether this is what must be typed: a path is not typed by mistake.
fn is_confirmed(offer: &Offer, line: &str) -> bool {
    line == offer.path || (offer.is_blank && line.eq_ignore_ascii_case("yes"))
}

fn confirm(offer: &Offer) -> String {
    let path = &offer.path;
    let mut text = format!("\ninstall to {}\n\n", offer.name());
    if offer.is_blank {
        text += "It is blank.\n\ntype yes to install, anything else to go back: ";
        return text;
    }
    text += "All that is on it will be lost";
    text += &match offer.stay.as_slice() {
        [] => ":\n".to_owned(),
        stay => format!(", but for {}:\n", stay.join(", ")),
    };
    text += &format!("  {}\n", offer.holds.as_deref().unwrap_or("data of an unknown kind"));
    text + &format!("\ntype {path} to install, anything else to go back: ")
}

#[cfg(test)]
mod tests {
    use super::super::offers::numbered;
    use super::super::offers::tests::{medium, offer};
    use super::*;

    fn offers() -> Vec<Offer> {
        numbered(vec![
            medium(),
            offer("/dev/vda", "nothing"),
            Offer {
                stay: vec!["3 (`data`, ext4)".to_owned()],
                ..offer("/dev/vdb", "GPT partitions: 1 (`a`), 3 (`data`, ext4)")
            },
        ])
    }

    /// The replies to some lines, `Ask`s as what is said.
    fn replies(dialog: &mut Dialog, lines: &[&str]) -> Vec<Reply> {
        lines.iter().map(|line| dialog.answer(line)).collect()
    }

    fn said(text: &str) -> Reply {
        Reply::Ask(text.to_owned())
    }

    #[test]
    fn a_used_disk_goes_by_its_path_only() {
        let vdb = Reply::Install(offers()[1].clone());
        for (lines, last) in [
            (["2", "/dev/vdb"], vdb.clone()),
            (["/dev/vdb", "/dev/vdb"], vdb),
            (["2", "yes"], said("not confirmed: nothing is changed\n")),
            (["2", "2"], said("not confirmed: nothing is changed\n")),
            (["2", ""], said("not confirmed: nothing is changed\n")),
            (["2", "/dev/vda"], said("not confirmed: nothing is changed\n")),
        ] {
            let mut dialog = Dialog::new(offers(), None);
            assert_eq!(replies(&mut dialog, &lines), [said(""), last], "{lines:?}");
        }
    }

    #[test]
    fn a_blank_disk_goes_by_yes_too() {
        for word in ["yes", "YES", "/dev/vda"] {
            let mut dialog = Dialog::new(offers(), None);
            let install = Reply::Install(offers()[0].clone());
            assert_eq!(replies(&mut dialog, &["1", word]), [said(""), install]);
        }
        for word in ["y", "no", "", "1"] {
            let mut dialog = Dialog::new(offers(), Some("/dev/vda"));
            assert!(matches!(dialog.answer(word), Reply::Ask(_)), "{word}");
            assert_eq!(dialog.state, State::Disk);
        }
    }

    #[test]
    fn what_speaks_against_a_disk_is_said() {
        let mut dialog = Dialog::new(offers(), Some("/dev/sr0"));
        let reason = "`/dev/sr0` is the medium that the installer runs from\n";
        let lines = ["3", "/dev/sr0", "0", "4", "/dev/vdc", ""];
        let expected = [
            said(reason),
            said(reason),
            said("`0` is none of the disks\n"),
            said("`4` is none of the disks\n"),
            said("`/dev/vdc` is none of the disks\n"),
            said(""),
        ];
        assert_eq!(replies(&mut dialog, &lines), expected);
    }

    #[test]
    fn one_can_look_again_and_leave() {
        let mut dialog = Dialog::new(Vec::new(), None);
        assert!(dialog.question().contains("no disk at all"));
        assert_eq!(dialog.answer("r"), Reply::Rescan);
        assert_eq!(replies(&mut dialog, &["q", "no", "q"]), [said(""), said(""), said("")]);
        assert_eq!(dialog.answer("poweroff"), Reply::Leave(Power::Off));
    }

    #[test]
    fn a_question_says_what_will_be_lost() {
        let mut dialog = Dialog::new(offers(), None);
        assert!(dialog.question().contains("\n  1  /dev/vda  20.0 GiB"), "{}", dialog.question());
        dialog.answer("2");
        assert_eq!(
            dialog.question(),
            "\ninstall to /dev/vdb  20.0 GiB  QEMU HARDDISK QM1\n\n\
             All that is on it will be lost, but for 3 (`data`, ext4):\n  \
             GPT partitions: 1 (`a`), 3 (`data`, ext4)\n\n\
             type /dev/vdb to install, anything else to go back: "
        );
        let blank = Dialog::new(offers(), Some("/dev/vda")).question();
        assert!(blank.ends_with("It is blank.\n\ntype yes to install, anything else to go back: "));
    }
}
