//! People of a real Keycloak at every door: REST, S3, STS and the registry, with the clients that they use; and what becomes of them
//! when Keycloak says that they have logged out, left, or lost a group.

mod clients;
mod left;
mod people;
mod readme;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use zas_e2e::{
    clients::Room,
    harness::{DevServer, Options, Tour, Upstream, free_port, http_get},
    process::run,
    tools::{Tool, left_out, require},
};

use people::{bearer, curl, curl_ok, token};

/// What the tour needs of the machine.
fn has(program: &str, argument: &str) -> bool {
    run(std::process::Command::new(program).arg(argument), std::time::Duration::from_secs(60))
        .is_ok_and(|ran| ran.status.success())
}

#[test]
fn people_of_keycloak_do_what_policies_say_and_are_on_record() -> Result<()> {
    const TEST: &str = "people_of_keycloak_do_what_policies_say_and_are_on_record";
    for (program, argument) in [("java", "-version"), ("mvn", "-v"), ("curl", "--version")] {
        if !has(program, argument) {
            return left_out(TEST, &format!("there is no `{program}`"));
        }
    }
    let (Some(aws), Some(oras)) = (require(Tool::AwsCli, TEST)?, require(Tool::Oras, TEST)?) else { return Ok(()) };
    let port = free_port()?;
    let arguments = ["--keycloak".into(), "--keycloak-port".into(), port.to_string().into()].to_vec();
    let options = Options { upstream: Upstream::Embedded, tls: true, arguments, ..Options::default() };
    let dev = DevServer::start(&options)?;
    let server = dev.endpoint();
    let room = Room::trusting(server, dev.authority())?;
    let issuer = format!("http://127.0.0.1:{port}/realms/zas");
    let api = format!("{}/-/api/v1", server.url);
    let root = format!("{}:{}", server.access_key, server.secret_key);
    let (alice, bob) = (token(&room, &issuer, "alice")?, token(&room, &issuer, "bob")?);
    let (as_alice, as_bob) = (bearer(&alice), bearer(&bob));
    let mut tour = Tour::new("Keycloak");

    tour.step("the service knows who asks, by roles and groups of the token", || {
        let (status, body) = curl(&room, &["-H", &as_alice, &format!("{api}/whoami")])?;
        ensure!(status == 200 && body.contains("user/alice") && body.contains("/developers"), "{status} {body}");
        Ok(())
    });
    tour.step("root lets the developers write and a role be taken by them", || {
        curl_ok(
            &room,
            &["-u", &root, "-X", "PUT", &format!("{api}/policies/read-write/attachments?kind=group&name=/developers")],
        )?;
        curl_ok(
            &room,
            &["-u", &root, "-X", "PUT", &format!("{api}/policies/read-only/attachments?kind=role&name=deploy")],
        )?;
        let trust = json!({"trust_policy": {"Statement": {"Effect": "Allow", "Principal": {"Federated": "keycloak"},
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {"aws:groups": "/developers"}}}}});
        let put = [
            "-u",
            &root,
            "-X",
            "PUT",
            "-H",
            "content-type: application/json",
            "-d",
            &trust.to_string(),
            &format!("{api}/roles/deploy"),
        ];
        curl_ok(&room, &put)?;
        room.ok(&aws, &["s3", "mb", "s3://team"])?;
        Ok(())
    });
    tour.step("alice writes and reads over S3 with her token, and bob does not", || {
        let object = format!("{}/team/hello", server.url);
        let (status, body) = curl(&room, &["-H", &as_bob, "-T", "/dev/null", &object])?;
        ensure!(status == 403 && body.contains("AccessDenied"), "{status} {body}");
        room.write("hello.txt", b"hello")?;
        let (status, body) = curl(&room, &["-H", &as_alice, "-T", "hello.txt", &object])?;
        ensure!(status == 200, "{status} {body}");
        ensure!(curl(&room, &["-H", &as_alice, &object])? == (200, "hello".to_owned()));
        ensure!(curl(&room, &["-H", &as_bob, &object])?.0 == 403);
        Ok(())
    });
    tour.step("the AWS command line takes a role with her token, and does what the role may", || {
        room.write("token", alice.as_bytes())?;
        let role = |command: &mut std::process::Command| {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                command.env_remove(name);
            }
            command.env("AWS_WEB_IDENTITY_TOKEN_FILE", room.path("token"));
            command.env("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/deploy").env("AWS_ROLE_SESSION_NAME", "tour");
            command.env("AWS_ENDPOINT_URL_STS", &server.url);
        };
        let assumed = |arguments: &[&str]| {
            let mut command = room.command(&aws, arguments.iter().copied());
            role(&mut command);
            run(&mut command, std::time::Duration::from_secs(120))
        };
        let who = assumed(&["sts", "get-caller-identity"])?;
        ensure!(who.stdout.contains("assumed-role/deploy/tour"), "{}{}", who.stdout, who.stderr);
        let read = assumed(&["s3", "cp", "s3://team/hello", "-"])?;
        ensure!(read.stdout == "hello", "{}{}", read.stdout, read.stderr);
        let written = assumed(&["s3", "cp", "hello.txt", "s3://team/other"])?;
        ensure!(!written.status.success() && written.stderr.contains("AccessDenied"), "{}", written.stderr);
        Ok(())
    });
    tour.step("oras logs in with her token as password, and bob gets nothing with his", || {
        let login = |user: &str, token: &str| {
            let arguments = ["login", server.authority(), "--username", user, "--password-stdin"];
            room.ok_with_input(&oras, &arguments, token.as_bytes())
        };
        let image = format!("{}/team/app:v1", server.authority());
        login("alice", &alice)?;
        room.ok(&oras, &["push", &image, "hello.txt"])?;
        login("bob", &bob)?;
        room.refused(&oras, &["pull", &image], "denied")
    });
    tour.step("what the README says of people works as it stands there", || {
        room.ok(&aws, &["s3", "mb", "s3://releases"])?;
        readme::works(&dev, &room, &oras, port)
    });
    clients::log_in(&mut tour, &room, &alice);
    tour.step("root lets people have access keys of their own", || {
        let own = json!({"document": {"Statement": {"Effect": "Allow", "Action": "admin:*Own*", "Resource": "*"}}});
        let json = ["-H", "content-type: application/json", "-d"];
        curl_ok(
            &room,
            &[&["-u", &root, "-X", "PUT"], &json[..], &[&own.to_string(), &format!("{api}/policies/own-keys")]]
                .concat(),
        )?;
        for target in ["kind=group&name=/developers", "kind=user&name=bob", "kind=user&name=alice"] {
            let attachment = format!("{api}/policies/own-keys/attachments?{target}");
            curl_ok(&room, &["-u", &root, "-X", "PUT", &attachment])?;
        }
        Ok(())
    });
    left::are_dead(&mut tour, &dev, &room, &aws, &issuer);
    tour.step("whoever is revoked has no token and no access key any more", || {
        let (as_alice, json) =
            (bearer(&token(&room, &issuer, "alice")?), ["-H", "content-type: application/json", "-d"]);
        let made =
            curl_ok(&room, &[&["-H", &as_alice], &json[..], &["{}", &format!("{api}/me/access-keys")]].concat())?;
        let made: Value = serde_json::from_str(&made)?;
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        let key = format!("{}:{}", text("id"), text("secret"));
        ensure!(curl(&room, &["-u", &key, &format!("{api}/whoami")])?.0 == 200);
        let revocation = json!({"kind": "subject", "value": text("account"), "reason": "left"}).to_string();
        curl_ok(&room, &[&["-u", &root], &json[..], &[&revocation, &format!("{api}/revocations")]].concat())?;
        std::thread::sleep(std::time::Duration::from_secs(5));
        for credentials in [["-u", &key], ["-H", &as_alice]] {
            let (status, body) = curl(&room, &[&credentials[..], &[&format!("{api}/whoami")]].concat())?;
            ensure!(status == 401, "{status} {body}");
        }
        Ok(())
    });
    tour.step("who did what is on record", || {
        let audit = format!("{api}/audit?from=2020-01-01T00:00:00Z&principal=user/alice");
        let body = curl_ok(&room, &["-u", &root, &audit])?;
        ensure!(body.contains("s3:PutObject") && body.contains("oci:Push"), "{body}");
        for action in ["BackchannelLogout", "FollowDirectory", "RevokeByDirectory"] {
            let audit = format!("{api}/audit?from=2020-01-01T00:00:00Z&action={action}");
            let body = curl_ok(&room, &["-u", &root, &audit])?;
            ensure!(body.contains("keycloak/"), "no {action}: {body}");
        }
        let audit = format!("{api}/audit?from=2020-01-01T00:00:00Z&principal=user/bob");
        ensure!(curl_ok(&room, &["-u", &root, &audit])?.contains("\"denial\""));
        Ok(())
    });
    ensure!(http_get(&format!("{}/-/livez", server.url))?.0 == 200);
    tour.finish()
}
