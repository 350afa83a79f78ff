//! Passwords and tokens, as they are kept: hashes of bcrypt, and marks of what has been seen.

use std::fmt;

use base64::Engine as _;
use ring::hmac;
use ring::rand::SystemRandom;

/// One more doubles the time; at this it takes some seconds, which is as long as a scrape waits.
const MOST_COST: u32 = 16;
/// bcrypt itself has no lower one.
const LEAST_COST: u32 = 4;
/// bcrypt looks at no more of a password.
const LONGEST_PASSWORD: usize = 72;
/// Tokens are looked up at once, so they can be guessed quickly: they must be long.
const SHORTEST_TOKEN: usize = 16;

/// A password's hash: `$2y$10$`, 22 letters of salt, 31 of hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordHash {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// Takes a hash apart, or says what is wrong with it and nothing of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let no_hash = || "is no hash of bcrypt (`htpasswd -nBC 10 NAME` makes one)".to_owned();
        let rest = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|version| text.strip_prefix(version));
        let (cost, letters) = rest.and_then(|rest| rest.split_once('$')).ok_or_else(no_hash)?;
        let two_digits = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
        let cost: u32 = cost.parse().ok().filter(|_| two_digits).ok_or_else(no_hash)?;
        if !(LEAST_COST..=MOST_COST).contains(&cost) {
            return Err(format!(
                "has a cost of {cost}: from {LEAST_COST} to {MOST_COST} it takes less time than a scrape waits"
            ));
        }
        let mut parsed = Self {
            cost,
            salt: [0; 16],
            hash: [0; 23],
        };
        let (salt, hash) = letters.split_at_checked(22).ok_or_else(no_hash)?;
        let whole = |letters: &str, bytes: &mut [u8]| {
            let taken = bcrypt::BASE_64.decode_slice(letters, bytes);
            taken.ok().filter(|taken| *taken == bytes.len())
        };
        whole(salt, &mut parsed.salt).ok_or_else(no_hash)?;
        whole(hash, &mut parsed.hash).ok_or_else(no_hash)?;
        Ok(parsed)
    }

    /// True where it is this password's. Takes from a millisecond to some seconds of the processor.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        // As everybody does it: the end is part of what is hashed, and what is too long is cut.
        let mut ended = [0; LONGEST_PASSWORD];
        let length = password.len().min(LONGEST_PASSWORD);
        ended[..length].copy_from_slice(&password[..length]);
        let ended = &ended[..(length + 1).min(LONGEST_PASSWORD)];
        let found = bcrypt::bcrypt(self.cost, self.salt, ended);
        // Which byte differs must not show in the time, small as that would be beside the rest.
        let differing = self.hash.iter().zip(found).fold(0, |all, (a, b)| all | (a ^ b));
        differing == 0
    }

    fn parts(&self) -> [&[u8]; 2] {
        [&self.salt, &self.hash]
    }
}

/// What stands for credentials where they are remembered or compared: a keyed digest, whose key is made anew with each process. Nobody
/// outside can make one, so how long two take to be compared says nothing of what they stand for.
pub(super) type Mark = [u8; 32];

/// A token, by its mark.
pub(super) type Token = Mark;

/// Makes marks.
pub(super) struct Marks {
    key: hmac::Key,
}

impl fmt::Debug for Marks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Marks")
    }
}

impl Marks {
    /// With a new key, if the kernel has chance to give.
    pub(super) fn new() -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| "the kernel gives no random numbers".to_owned())?;
        Ok(Self { key })
    }

    /// The mark of a user's name and password against a hash.
    pub(super) fn of_password(
        &self,
        is_known: bool,
        user: &str,
        hash: &PasswordHash,
        password: &[u8],
    ) -> Mark {
        let [salt, hash] = hash.parts();
        self.of(&[&[u8::from(is_known)], user.as_bytes(), salt, hash, password])
    }

    /// The mark of a token.
    pub(super) fn of_token(&self, token: &[u8]) -> Mark {
        self.of(&[token])
    }

    /// A number that belongs to a user's name.
    pub(super) fn number_of(&self, user: &str) -> u64 {
        let mark = self.of(&[b"number", user.as_bytes()]);
        mark.iter()
            .take(8)
            .fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    fn of(&self, pieces: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        for piece in pieces {
            context.update(&(piece.len() as u64).to_le_bytes());
            context.update(piece);
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    /// The tokens in a file, one a line.
    pub(super) fn tokens(&self, text: &[u8]) -> Result<Vec<Token>, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is no text".to_owned())?;
        let tokens = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let tokens: Vec<_> = tokens
            .map(|token| {
                let sound = token.len() >= SHORTEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
                sound.then(|| self.of_token(token.as_bytes())).ok_or_else(|| {
                    format!(
                        "a token in it is no word of at least {SHORTEST_TOKEN} letters (`openssl rand -hex 32` makes one)"
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        if tokens.is_empty() {
            return Err("there is no token in it".to_owned());
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_others_are_understood() {
        // From the tests of jBCrypt, the first implementation in Java.
        for (password, hash) in [
            ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
            (
                "a",
                "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
            ),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.",
            ),
        ] {
            let parsed = PasswordHash::parse(hash).unwrap();
            assert!(parsed.is_of(password.as_bytes()), "{password:?}");
            assert!(!parsed.is_of(format!("{password}b").as_bytes()), "{password:?}");
        }
    }

    #[test]
    fn what_is_no_hash_is_said_and_not_told() {
        let salt_and_hash = "m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
        for (text, told) in [
            ("", "no hash"),
            ("hush", "no hash"),
            ("$2y$10$hush", "no hash"),
            ("$2y$1$m0Crh", "no hash"),
            (&format!("$2x$10${salt_and_hash}"), "no hash"),
            (&format!("$2y$10${salt_and_hash}a"), "no hash"),
            (&format!("$2y$10$é{salt_and_hash}"), "no hash"),
            (&format!("$2y$+4${salt_and_hash}"), "no hash"),
            (&format!("$2y$03${salt_and_hash}"), "a cost of 3"),
            (&format!("$2y$17${salt_and_hash}"), "a cost of 17"),
        ] {
            let said = PasswordHash::parse(text).unwrap_err();
            assert!(said.contains(told), "{text}: {said}");
            assert!(!said.contains("hush") && !said.contains("m0Crh"), "{said}");
        }
    }

    #[test]
    fn tokens_are_long_and_stand_on_lines_of_their_own() {
        let marks = Marks::new().unwrap();
        let two = marks
            .tokens(b"0123456789abcdef\n\n0123456789ABCDEF \r\n")
            .unwrap();
        assert_eq!(
            two,
            [
                marks.of_token(b"0123456789abcdef"),
                marks.of_token(b"0123456789ABCDEF")
            ]
        );
        for wrong in [
            b"".as_slice(),
            b"\n \n",
            b"short",
            b"0123456789abcdef two words",
            b"\xff",
        ] {
            let said = marks.tokens(wrong).unwrap_err();
            assert!(!said.contains("short") && !said.contains("two words"), "{said}");
        }
    }
}
