//! What becomes of people's tokens, access keys and sessions when Keycloak has them logged out, out of a group, or disabled: by its own
//! administration, and within the bounds that `docs/identity.md` states.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Tour},
    process::run,
};

use super::people::{bearer, curl, curl_ok, log_in, text, token};

/// `dev` goes round its Keycloak every two seconds: that, and five for replicas.
const BOUND: Duration = Duration::from_secs(7);

/// Keycloak's administrator, and the service.
struct World<'a> {
    room: &'a Room<'a>,
    aws: &'a Path,
    issuer: &'a str,
    admin: String,
    as_admin: String,
    api: String,
    root: String,
}

/// An access key of a person.
struct Key {
    id: String,
    secret: String,
}

pub(crate) fn are_dead(tour: &mut Tour, dev: &DevServer, room: &Room<'_>, aws: &Path, issuer: &str) {
    let world = match World::new(dev, room, aws, issuer) {
        Ok(world) => world,
        Err(error) => return tour.step("Keycloak has an administrator", || Err(error)),
    };
    tour.step("whoever logs out at Keycloak has no token any more, and keeps the access keys", || world.log_out());
    tour.step(
        "whoever is taken out of a group there has an access key that may no longer do what the group may",
        || world.take_out_of_the_group(),
    );
    tour.step("whoever is disabled there has no access key and no session any more", || world.disable());
}

impl<'a> World<'a> {
    fn new(dev: &DevServer, room: &'a Room<'a>, aws: &'a Path, issuer: &'a str) -> Result<Self> {
        let (base, realm) = issuer.split_once("/realms/").context("no realm")?;
        let password = administrators_password(&dev.data_dir().join("keycloak"))?;
        let form = format!("client_id=admin-cli&grant_type=password&username=admin&password={password}");
        let body = curl_ok(room, &["-d", &form, &format!("{base}/realms/master/protocol/openid-connect/token")])?;
        let token: Value = serde_json::from_str(&body)?;
        let server = room.server;
        Ok(Self {
            room,
            aws,
            issuer,
            admin: format!("{base}/admin/realms/{realm}"),
            as_admin: bearer(&text(&token, "/access_token")?),
            api: format!("{}/-/api/v1", server.url),
            root: format!("{}:{}", server.access_key, server.secret_key),
        })
    }

    fn log_out(&self) -> Result<()> {
        let (token, refresh) = log_in(self.room, self.issuer, "alice")?;
        let key = self.make_key(&token)?;
        ensure!(self.status_of_token(&token)? == 200);
        let form = format!("client_id=zas-cli&refresh_token={refresh}");
        curl_ok(self.room, &["-d", &form, &format!("{}/protocol/openid-connect/logout", self.issuer)])?;
        // Keycloak tells it while it answers.
        self.within("the token opens nothing", Duration::from_secs(5), || Ok(self.status_of_token(&token)? == 401))?;
        ensure!(self.status_of_key(&key)? == 200, "the access key is dead too");
        // Tokens count whole seconds: one of the second of the logout is taken for one from before it.
        std::thread::sleep(Duration::from_millis(1100));
        self.delete(&key)
    }

    fn take_out_of_the_group(&self) -> Result<()> {
        let key = self.make_key(&token(self.room, self.issuer, "alice")?)?;
        let read = || self.reads(&key, None);
        ensure!(read()?, "the key cannot read what the group may");
        let (alice, group) =
            (self.id("users?exact=true&username", "alice")?, self.id("groups?exact=true&search", "developers")?);
        let membership = format!("{}/users/{alice}/groups/{group}", self.admin);
        curl_ok(self.room, &["-X", "DELETE", "-H", &self.as_admin, &membership])?;
        self.within("the key has lost what the group may", BOUND, || Ok(!read()?))?;
        ensure!(self.status_of_key(&key)? == 200, "the key is dead, and has not just lost a group");
        curl_ok(self.room, &["-X", "PUT", "-H", &self.as_admin, &membership])?;
        // It is given back by the next token alone.
        std::thread::sleep(Duration::from_secs(3));
        ensure!(!read()?, "the key has it back without a token");
        ensure!(self.status_of_token(&token(self.room, self.issuer, "alice")?)? == 200);
        self.within("the key has it back with a token", Duration::from_secs(5), read)?;
        self.delete(&key)
    }

    fn disable(&self) -> Result<()> {
        let trust = json!({"trust_policy": {"Statement": {"Effect": "Allow", "Principal": {"Federated": "keycloak"},
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"aws:groups": "/visitors"}}}}});
        let json = ["-H", "content-type: application/json", "-d"];
        let role = format!("{}/roles/visit", self.api);
        curl_ok(self.room, &[&["-u", &self.root, "-X", "PUT"], &json[..], &[&trust.to_string(), &role]].concat())?;
        let attachment = format!("{}/policies/read-only/attachments?kind=role&name=visit", self.api);
        curl_ok(self.room, &["-u", &self.root, "-X", "PUT", &attachment])?;
        let token = token(self.room, self.issuer, "bob")?;
        let (key, (session, session_token)) = (self.make_key(&token)?, self.session(&token, "visit")?);
        let reads = || self.reads(&session, Some(&session_token));
        ensure!(self.status_of_key(&key)? == 200 && reads()?, "bob's key or session does not work");

        let bob = self.id("users?exact=true&username", "bob")?;
        let disabled = json!({"enabled": false}).to_string();
        let user = format!("{}/users/{bob}", self.admin);
        curl_ok(self.room, &[&["-X", "PUT", "-H", &self.as_admin], &json[..], &[&disabled, &user]].concat())?;
        self.within("the key is dead", BOUND, || Ok(self.status_of_key(&key)? == 401))?;
        ensure!(self.status_of_token(&token)? == 401, "the token is alive");
        ensure!(!reads()?, "the session is alive");
        Ok(())
    }

    /// Makes an access key as whoever a token speaks of.
    fn make_key(&self, token: &str) -> Result<Key> {
        let keys = format!("{}/me/access-keys", self.api);
        let arguments = ["-H", &bearer(token), "-H", "content-type: application/json", "-d", "{}", &keys];
        let made: Value = serde_json::from_str(&curl_ok(self.room, &arguments)?)?;
        Ok(Key { id: text(&made, "/id")?, secret: text(&made, "/secret")? })
    }

    fn delete(&self, key: &Key) -> Result<()> {
        curl_ok(self.room, &["-u", &self.root, "-X", "DELETE", &format!("{}/access-keys/{}", self.api, key.id)])?;
        Ok(())
    }

    /// Takes a role with a token: credentials, and the token that goes with them.
    fn session(&self, token: &str, role: &str) -> Result<(Key, String)> {
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=role/{role}&RoleSessionName=tour&WebIdentityToken={token}"
        );
        let answer = curl_ok(self.room, &["-d", &form, &format!("{}/", self.room.server.url)])?;
        let element = |name: &str| -> Result<String> {
            let rest = answer.split_once(&format!("<{name}>")).context("no credentials")?.1;
            Ok(rest.split_once('<').context("no end")?.0.to_owned())
        };
        Ok((Key { id: element("AccessKeyId")?, secret: element("SecretAccessKey")? }, element("SessionToken")?))
    }

    /// Whether the AWS command line reads an object with these credentials.
    fn reads(&self, key: &Key, session: Option<&str>) -> Result<bool> {
        let mut command = self.room.command(self.aws, ["s3", "cp", "s3://team/hello", "-"]);
        command.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
        if let Some(token) = session {
            command.env("AWS_SESSION_TOKEN", token);
        }
        let read = run(&mut command, Duration::from_secs(60))?;
        Ok(read.status.success() && read.stdout == "hello")
    }

    fn status_of_token(&self, token: &str) -> Result<u16> {
        Ok(curl(self.room, &["-H", &bearer(token), &format!("{}/whoami", self.api)])?.0)
    }

    fn status_of_key(&self, key: &Key) -> Result<u16> {
        let pair = format!("{}:{}", key.id, key.secret);
        Ok(curl(self.room, &["-u", &pair, &format!("{}/whoami", self.api)])?.0)
    }

    /// The id of the one user or group that a search of the administration finds.
    fn id(&self, search: &str, name: &str) -> Result<String> {
        let found = curl_ok(self.room, &["-H", &self.as_admin, &format!("{}/{search}={name}", self.admin)])?;
        let found: Value = serde_json::from_str(&found)?;
        text(&found, "/0/id").with_context(|| format!("no {name}"))
    }

    /// Waits until something is so.
    fn within(&self, what: &str, bound: Duration, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !is_so()? {
            if begun.elapsed() > bound {
                bail!("not within {bound:?}: {what}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// The password that `dev` has made for Keycloak's administrator.
fn administrators_password(folder: &Path) -> Result<String> {
    let mut find = Command::new("sh");
    find.arg("-c").arg(r#"cat "$0"/*/conf/keycloak.conf"#).arg(folder);
    let text = run(&mut find, Duration::from_secs(10))?.stdout;
    let password = text.lines().find_map(|line| line.strip_prefix("bootstrap-admin-password="));
    password.map(str::to_owned).context("no password in keycloak.conf")
}
