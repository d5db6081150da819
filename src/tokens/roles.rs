//! Which roles here the roles of issuers elsewhere are: an operator's word, one line for each.

use domain::access::shipped::shipped;
use uuid::Uuid;

/// The most lines.
const LINES_MAX: usize = 100;
/// The longest name that an issuer may have for a role, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleMap(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    issuer: String,
    theirs: String,
    ours: String,
}

impl RoleMap {
    /// Lines of three words: the issuer, its name for the role, and the role that it is here.
    pub fn read(lines: &[String]) -> Result<Self, String> {
        if lines.len() > LINES_MAX {
            return Err(format!("expected {LINES_MAX} lines at most"));
        }
        lines.iter().map(|line| Line::read(line)).collect::<Result<_, _>>().map(Self)
    }

    /// The issuers that are named.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| &*line.issuer)
    }

    /// The roles here that an issuer gives and takes, each once, and whether it gives them to whom it says has
    /// these roles there.
    pub fn given(&self, issuer: &str, theirs: &[String]) -> Vec<(&str, bool)> {
        let mut given = Vec::<(&str, bool)>::new();
        for line in self.0.iter().filter(|line| line.issuer == issuer) {
            let is_given = theirs.contains(&line.theirs);
            match given.iter_mut().find(|(ours, _)| *ours == line.ours) {
                Some((_, known)) => *known |= is_given,
                None => given.push((&line.ours, is_given)),
            }
        }
        given
    }
}

impl Line {
    fn read(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [issuer, theirs, ours] = words[..] else {
            return Err(format!(
                "{line:?}: expected an issuer, its role, and the role that it is here"
            ));
        };
        if theirs.len() > NAME_BYTES_MAX {
            return Err(format!("a role of an issuer has at most {NAME_BYTES_MAX} bytes"));
        }
        let made = ours.strip_prefix("role_").and_then(|id| Uuid::try_parse(id).ok());
        if shipped(ours).is_none() && made.is_none() {
            return Err(format!(
                "{ours:?} is no role: expected one that ships, or the id of another"
            ));
        }
        let [issuer, theirs, ours] = [issuer, theirs, ours].map(str::to_owned);
        Ok(Self { issuer, theirs, ours })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 3] =
        ["https://x floor warehouse", "https://x boss warehouse", "https://y boss operator"];

    fn map() -> RoleMap {
        RoleMap::read(&LINES.map(str::to_owned)).expect("they are right")
    }

    #[test]
    fn an_issuer_gives_what_was_said_of_it_and_takes_what_it_does_not_name() {
        let theirs = ["floor", "else"].map(str::to_owned);
        assert_eq!(map().given("https://x", &theirs), [("warehouse", true)]);
        assert_eq!(map().given("https://x", &[]), [("warehouse", false)]);
        assert_eq!(map().given("https://y", &theirs), [("operator", false)]);
        assert_eq!(map().given("https://z", &theirs), []);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for line in ["", "https://x floor", "https://x a b c", "https://x floor king"] {
            assert!(RoleMap::read(&[line.to_owned()]).is_err(), "{line}");
        }
        let many = vec![LINES[0].to_owned(); LINES_MAX + 1];
        assert!(RoleMap::read(&many).is_err());
    }
}
