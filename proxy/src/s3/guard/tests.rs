use super::*;
use http::Request;

const SCOPE: &str = "AKIA/20260101/us-east-1/s3/aws4_request";

fn verdict(uri: &str, headers: &[(&str, &str)]) -> Result<Parts> {
    let mut request = Request::builder().method(Method::PUT).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut parts = request.body(()).unwrap().into_parts().0;
    check(&mut parts, &config::S3::default(), Service::S3)?;
    Ok(parts)
}

fn code(uri: &str, headers: &[(&str, &str)]) -> Option<Code> {
    verdict(uri, headers).err().map(|error| error.code())
}

fn authorization(signed: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders={signed}, Signature=00")
}

fn presigned(signed: &str, expires: &str, more: &str) -> String {
    format!(
        "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date=20260101T000000Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders={signed}&X-Amz-Signature=00{more}",
        SCOPE.replace('/', "%2F"),
    )
}

#[test]
fn a_plainly_signed_request_passes() {
    let value = authorization("host;x-amz-date");
    let headers = &[("host", "h"), ("authorization", value.as_str()), ("x-amz-date", "20260101T000000Z")];
    assert_eq!(code("/b/k", headers), None);
    assert_eq!(code(&presigned("host", "60", ""), &[("host", "h")]), None);
}

#[test]
fn headers_that_matter_must_be_signed() {
    let value = authorization("host");
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "x-amz-tagging", "x-amz-date", "x-zas-force-delete"]
    {
        let headers = &[("host", "h"), ("authorization", value.as_str()), (name, "v")];
        assert_eq!(code("/b/k", headers), Some(Code::UnsignedHeader), "{name}");
        assert_eq!(
            code(&presigned("host", "60", ""), &[("host", "h"), (name, "v")]),
            Some(Code::UnsignedHeader),
            "{name}"
        );
        let all = format!("host%3B{name}");
        assert_eq!(code(&presigned(&all, "60", ""), &[("host", "h"), (name, "v")]), None, "{name}");
    }
}

#[test]
fn headers_that_change_nothing_need_no_signature() {
    for name in ["x-amz-content-sha256", "x-amz-user-agent", "user-agent", "range", "content-type"] {
        assert_eq!(code(&presigned("host", "60", ""), &[("host", "h"), (name, "v")]), None, "{name}");
    }
}

#[test]
fn the_host_must_be_signed() {
    assert_eq!(code(&presigned("range", "60", ""), &[("host", "h"), ("range", "v")]), Some(Code::UnsignedHeader));
}

#[test]
fn a_signed_header_must_be_there() {
    let value = authorization("host;x-amz-acl");
    let headers = &[("host", "h"), ("authorization", value.as_str())];
    assert_eq!(code("/b/k", headers), Some(Code::SignatureDoesNotMatch));
}

#[test]
fn signature_version_2_is_refused() {
    assert_eq!(code("/b/k", &[("authorization", "AWS AKIA:sig")]), Some(Code::UnsupportedSignature));
    assert_eq!(code("/b/k?AWSAccessKeyId=AKIA&Signature=x&Expires=1", &[]), Some(Code::UnsupportedSignature));
    assert_eq!(code("/b/k?signature=x", &[]), Some(Code::UnsupportedSignature));
}

#[test]
fn other_schemes_are_refused() {
    for value in ["Basic YTpi", "Bearer x", "AWS4-ECDSA-P256-SHA256 Credential=x", "", "AWS4-HMAC-SHA256,Credential=x"]
    {
        assert_eq!(code("/b/k", &[("authorization", value)]), Some(Code::UnsupportedSignature), "{value}");
    }
}

#[test]
fn two_credentials_are_refused() {
    let value = authorization("host");
    let both = &[("host", "h"), ("authorization", value.as_str())];
    assert_eq!(code(&presigned("host", "60", ""), both), Some(Code::InvalidArgument));
    let twice = &[("host", "h"), ("authorization", value.as_str()), ("authorization", value.as_str())];
    assert_eq!(code("/b/k", twice), Some(Code::AuthorizationHeaderMalformed));
}

#[test]
fn lifetimes_outside_of_the_bounds_are_refused() {
    for expires in ["604801", "0", "-1", "", "1.5", "abc", "99999999999999999999", "%2B60"] {
        let expected = Some(Code::AuthorizationQueryParametersError);
        assert_eq!(code(&presigned("host", expires, ""), &[("host", "h")]), expected, "{expires}");
    }
    for expires in ["1", "604800"] {
        assert_eq!(code(&presigned("host", expires, ""), &[("host", "h")]), None, "{expires}");
    }
}

#[test]
fn a_shorter_lifetime_can_be_configured_and_a_longer_one_cannot() {
    let config = |seconds| config::S3 { max_presign: std::time::Duration::from_secs(seconds), ..config::S3::default() };
    let ask = |expires: &str, config: &config::S3| {
        let request = Request::builder().uri(presigned("host", expires, "")).header("host", "h");
        check(&mut request.body(()).unwrap().into_parts().0, config, Service::S3).is_ok()
    };
    assert!(ask("60", &config(60)) && !ask("61", &config(60)));
    assert!(!ask("604801", &config(30 * 24 * 3600)));
}

#[test]
fn parts_of_a_presigned_url_that_are_missing_or_doubled_are_refused() {
    let whole = presigned("host", "60", "");
    for name in credentials::PARAMETERS {
        let (path, query) = whole.split_once('?').unwrap();
        let without: Vec<_> = query.split('&').filter(|field| !field.starts_with(name)).collect();
        let uri = format!("{path}?{}", without.join("&"));
        assert_eq!(code(&uri, &[("host", "h")]), Some(Code::AuthorizationQueryParametersError), "{name}");
        let uri = format!("{whole}&{name}=x");
        assert_eq!(code(&uri, &[("host", "h")]), Some(Code::AuthorizationQueryParametersError), "{name}");
    }
}

#[test]
fn a_wrong_scope_is_refused_and_the_region_is_named() {
    let value = authorization("host").replace("us-east-1", "eu-west-1");
    let error = verdict("/b/k", &[("host", "h"), ("authorization", &value)]).unwrap_err();
    assert_eq!(error.code(), Code::AuthorizationHeaderMalformed);
    assert!(error.details().any(|detail| detail == ("Region", "us-east-1")));
    let uri = presigned("host", "60", "").replace("us-east-1", "eu-west-1");
    assert_eq!(code(&uri, &[("host", "h")]), Some(Code::AuthorizationQueryParametersError));
    for wrong in ["s3/aws5_request", "sts/aws4_request", "s3", ""] {
        let value = authorization("host").replace("s3/aws4_request", wrong);
        let headers = &[("host", "h"), ("authorization", value.as_str())];
        assert_eq!(code("/b/k", headers), Some(Code::AuthorizationHeaderMalformed), "{wrong}");
    }
}

#[test]
fn session_tokens_are_refused() {
    assert_eq!(code("/b/k", &[("x-amz-security-token", "x")]), Some(Code::InvalidToken));
    assert_eq!(code("/b/k?X-Amz-Security-Token=x", &[]), Some(Code::InvalidToken));
}

#[test]
fn a_header_that_matters_comes_once_and_as_text() {
    assert_eq!(code("/b/k", &[("x-amz-acl", "a"), ("x-amz-acl", "b")]), Some(Code::InvalidRequest));
    let mut parts = Request::builder().uri("/b/k").body(()).unwrap().into_parts().0;
    parts.headers.insert("x-amz-meta-a", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(check(&mut parts, &config::S3::default(), Service::S3).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn forms_that_are_posted_to_no_bucket_are_refused() {
    let request = Request::post("/b/k").header("content-type", "Multipart/form-data; boundary=x");
    let mut parts = request.body(()).unwrap().into_parts().0;
    assert_eq!(check(&mut parts, &config::S3::default(), Service::S3).unwrap_err().code(), Code::MethodNotAllowed);
    assert_eq!(check_proven(&parts).unwrap_err().code(), Code::MethodNotAllowed);
}

#[test]
fn nothing_stands_in_the_header_of_a_form_that_belongs_into_its_fields() {
    let refusal = |name: &str, value: &str| {
        let request = Request::post("/b").header("content-type", "multipart/form-data; boundary=x").header(name, value);
        check_form(&request.body(()).unwrap().into_parts().0).err().map(|error| error.code())
    };
    let signed = authorization("host");
    for (name, value, code) in [
        ("authorization", signed.as_str(), Some(Code::InvalidArgument)),
        ("authorization", "AWS AKIA:sig", Some(Code::InvalidArgument)),
        ("x-amz-acl", "private", Some(Code::UnsignedHeader)),
        ("x-amz-copy-source", "b/k", Some(Code::UnsignedHeader)),
        ("x-amz-security-token", "x", Some(Code::UnsignedHeader)),
        ("x-zas-force-delete", "true", Some(Code::UnsignedHeader)),
        ("if-none-match", "*", Some(Code::NotImplemented)),
        ("x-amz-user-agent", "x", None),
        ("origin", "https://app.example", None),
    ] {
        assert_eq!(refusal(name, value), code, "{name}: {value}");
    }
}

#[test]
fn the_credential_of_a_form_is_for_us() {
    let check = |credential: &str| check_form_credential(credential, &config::S3::default());
    assert_eq!(check(SCOPE).unwrap(), ("AKIA".to_owned(), "20260101".to_owned()));
    for wrong in ["", "AKIA", &SCOPE.replace("us-east-1", "eu-west-1"), &SCOPE.replace("s3", "sts")] {
        assert_eq!(check(wrong).unwrap_err().code(), Code::AuthorizationQueryParametersError, "{wrong}");
    }
}

#[test]
fn anonymous_requests_override_no_response_header() {
    assert_eq!(code("/b/k?response-content-type=text/html", &[]), Some(Code::InvalidRequest));
    assert_eq!(code("/b/k", &[]), None);
}

#[test]
fn signed_query_parameters_become_headers() {
    let parts = verdict(&presigned("host", "60", "&x-amz-meta-a=1&X-Amz-Acl=private"), &[("host", "h")]).unwrap();
    assert_eq!(parts.headers["x-amz-meta-a"], "1");
    assert_eq!(parts.headers["x-amz-acl"], "private");
    assert!(!parts.headers.contains_key("x-amz-signature"));
    let uri = presigned("host%3Bx-amz-meta-a", "60", "&x-amz-meta-a=1");
    assert_eq!(code(&uri, &[("host", "h"), ("x-amz-meta-a", "2")]), Some(Code::InvalidRequest));
}

#[test]
fn a_checksum_in_a_query_that_was_made_of_no_bytes_says_nothing() {
    let of = |more: &str| verdict(&presigned("host", "60", more), &[("host", "h")]).unwrap().headers;
    for (algorithm, value) in [("crc32", "AAAAAA%3D%3D"), ("sha1", "2jmj7l5rSw0yVb%2FvlWAYkK%2FYBwk%3D")] {
        let headers = of(&format!("&x-amz-checksum-{algorithm}={value}&x-amz-sdk-checksum-algorithm={algorithm}"));
        assert!(!headers.keys().any(|name| name.as_str().contains("checksum")), "{headers:?}");
    }
    let headers = of("&x-amz-checksum-crc32=y%2FQ5Jg%3D%3D&x-amz-sdk-checksum-algorithm=CRC32");
    assert_eq!(headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    assert_eq!(headers["x-amz-sdk-checksum-algorithm"], "CRC32");
}

#[test]
fn a_list_that_is_sent_value_by_value_becomes_one_header() {
    let mut headers = HeaderMap::new();
    for value in ["ETag", "ObjectSize"] {
        headers.append("x-amz-object-attributes", value.parse().unwrap());
        headers.append("x-amz-acl", value.parse().unwrap());
    }
    for value in ["gzip", "aws-chunked"] {
        headers.append("content-encoding", value.parse().unwrap());
    }
    join_lists(&mut headers);
    assert_eq!(headers.get_all("x-amz-object-attributes").iter().collect::<Vec<_>>(), ["ETag,ObjectSize"]);
    assert_eq!(headers.get_all("content-encoding").iter().collect::<Vec<_>>(), ["gzip,aws-chunked"]);
    assert_eq!(headers.get_all("x-amz-acl").iter().count(), 2);
}
