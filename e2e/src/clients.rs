//! Command line clients in a clean room: a home folder of their own, nothing from the user's environment that changes what
//! they do, and a deadline on each command. What they are told to do is in the tests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::{
    harness::Endpoint,
    process::{Finished, run, run_ok, run_ok_with_input},
};

/// Longest run of one command.
const DEADLINE: Duration = Duration::from_secs(180);

/// Longest run of a whole tour.
const TOUR_DEADLINE: Duration = Duration::from_secs(300);

/// A folder to work in, and one server to talk to.
#[derive(Debug)]
pub struct Room<'a> {
    /// The server that the clients talk to.
    pub server: &'a Endpoint,
    home: TempDir,
    authority: Option<PathBuf>,
}

impl<'a> Room<'a> {
    /// An empty room.
    ///
    /// # Errors
    /// When no folder can be made.
    pub fn new(server: &'a Endpoint) -> Result<Self> {
        Ok(Self { server, home: tempfile::Builder::new().prefix("zas-e2e-room-").tempdir()?, authority: None })
    }

    /// An empty room whose clients trust the certificates of an authority, by what each of them looks at.
    ///
    /// # Errors
    /// When no folder can be made.
    pub fn trusting(server: &'a Endpoint, authority: PathBuf) -> Result<Self> {
        Ok(Self { authority: Some(authority), ..Self::new(server)? })
    }

    /// The path of `name` in the room.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the file `name`, and the folders that lead to it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Reads the file `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        std::fs::read(self.path(name)).with_context(|| format!("no {name}"))
    }

    /// A command of `program`, in this room, with the server's access key as AWS clients take it.
    #[must_use]
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<str>>(&self, program: &Path, arguments: I) -> Command {
        let mut command = Command::new(program);
        command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        command.current_dir(self.home.path()).env_clear();
        for name in ["PATH", "TMPDIR", "LANG", "LC_ALL"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.home.path()).env("DOCKER_CONFIG", self.path(".docker"));
        command.env("AWS_ENDPOINT_URL", &self.server.url);
        // The command line and boto3 read the first of them, the other SDKs the second.
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", &self.server.access_key).env("AWS_SECRET_ACCESS_KEY", &self.server.secret_key);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        if let Some(authority) = &self.authority {
            for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"] {
                command.env(name, authority);
            }
        }
        command
    }

    /// Runs `program`, which must succeed, and gives its standard output.
    ///
    /// # Errors
    /// When it fails; the error shows what it wrote.
    pub fn ok(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        Ok(run_ok(&mut self.command(program, arguments), DEADLINE)?.stdout)
    }

    /// As [`Room::ok`], with `input` on its standard input.
    ///
    /// # Errors
    /// As [`Room::ok`].
    pub fn ok_with_input(&self, program: &Path, arguments: &[&str], input: &[u8]) -> Result<String> {
        Ok(run_ok_with_input(&mut self.command(program, arguments), input, DEADLINE)?.stdout)
    }

    /// Runs `program` and gives back how it ended and all it wrote.
    ///
    /// # Errors
    /// When it cannot be run to its end.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Result<Finished> {
        run(&mut self.command(program, arguments), DEADLINE)
    }

    /// Runs `program`, which must fail and say `told` on either output.
    ///
    /// # Errors
    /// When it succeeds, or fails for another reason.
    pub fn refused(&self, program: &Path, arguments: &[&str], told: &str) -> Result<()> {
        let finished = self.run(program, arguments)?;
        if finished.status.success() {
            bail!("`{}` succeeded, it must fail with {told:?}", arguments.join(" "));
        }
        let said = format!("{}{}", finished.stdout, finished.stderr);
        ensure!(said.contains(told), "`{}` failed without saying {told:?}: {said}", arguments.join(" "));
        Ok(())
    }
}

/// Runs a tour that is a program of its own: it prints a line a step, and last how many hold.
///
/// # Errors
/// When a step does not hold, or there was none; the error shows all that the tour printed.
pub fn run_tour(command: &mut Command) -> Result<()> {
    // Python would write its cache beside the script, into the source tree.
    let told = run_ok(command.env("PYTHONDONTWRITEBYTECODE", "1"), TOUR_DEADLINE)?.stdout;
    let held = told.lines().last().and_then(|line| line.strip_suffix(" steps hold, 0 do not")?.parse::<usize>().ok());
    ensure!(held.is_some_and(|held| held > 0), "{told}");
    Ok(())
}

/// Answers "I am here" to podman's remote client at a socket, for as long as this process runs, and gives what the client's
/// `CONTAINER_HOST` must say: it logs in by itself, but wants an engine to be there first, and asks it for nothing else.
///
/// # Errors
/// When the socket cannot be made.
pub fn say_that_an_engine_is_here(socket: &Path) -> Result<String> {
    let listener = UnixListener::bind(socket)?;
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            // To the end of the head.
            let _ = lines.find(|line| line.is_empty());
            let is_ping = asked.ends_with("/_ping HTTP/1.1");
            let status = if is_ping { "200 OK" } else { "501 Not Implemented" };
            let head = "Libpod-API-Version: 5.8.0\r\nContent-Length: 0\r\nConnection: close";
            // Whoever has left needs no answer.
            let _ = client.write_all(format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n").as_bytes());
        }
    });
    Ok(format!("unix://{}", socket.display()))
}

/// Bytes that differ from place to place and from `seed` to `seed`, so that a piece in the wrong place is seen.
#[must_use]
pub fn pattern(size: usize, seed: u64) -> Vec<u8> {
    // splitmix64: a few operations a word, and no run repeats.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Fails unless both are the same, without printing megabytes.
///
/// # Errors
/// When they differ; it says where first.
pub fn ensure_same(found: &[u8], expected: &[u8]) -> Result<()> {
    if found != expected {
        let place = found.iter().zip(expected).position(|(a, b)| a != b);
        bail!("{} bytes found, {} expected, the first difference at {place:?}", found.len(), expected.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Endpoint {
        Endpoint { url: "http://127.0.0.1:1".into(), access_key: "key".into(), secret_key: "secret".into() }
    }

    #[test]
    fn a_command_sees_the_room_and_not_the_users_environment() {
        let server = server();
        let room = Room::new(&server).unwrap();
        let environment = room.ok(Path::new("env"), &[]).unwrap();
        assert!(environment.contains(&format!("HOME={}", room.path("").display().to_string().trim_end_matches('/'))));
        assert!(environment.contains("AWS_ACCESS_KEY_ID=key") && !environment.contains("CARGO"), "{environment}");
    }

    #[test]
    fn a_command_that_must_fail_for_a_reason_is_held_to_it() {
        let server = server();
        let room = Room::new(&server).unwrap();
        let shell = Path::new("sh");
        room.refused(shell, &["-c", "echo no such bucket >&2; exit 1"], "no such bucket").unwrap();
        assert!(room.refused(shell, &["-c", "echo something else; exit 1"], "no such bucket").is_err());
        assert!(room.refused(shell, &["-c", "echo no such bucket"], "no such bucket").is_err());
    }

    #[test]
    fn a_tour_must_have_steps_and_each_must_hold() {
        let tour = |script: &str| run_tour(Command::new("sh").args(["-c", script]));
        tour("echo ok one; echo 1 steps hold, 0 do not").unwrap();
        assert!(tour("echo 0 steps hold, 0 do not").is_err());
        assert!(tour("echo ok one").is_err());
        let error = tour("echo FAIL two; echo 1 steps hold, 1 do not; exit 1").unwrap_err().to_string();
        assert!(error.contains("FAIL two"), "{error}");
    }

    #[test]
    fn patterns_have_the_size_asked_for_and_differ_by_seed() {
        assert_eq!(pattern(1001, 1).len(), 1001);
        assert_eq!(pattern(64, 1), pattern(64, 1));
        assert_ne!(pattern(64, 1), pattern(64, 2));
        assert!(ensure_same(&pattern(64, 1), &pattern(64, 2)).unwrap_err().to_string().contains("Some(0)"));
    }
}
