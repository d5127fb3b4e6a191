//! Documents that are valid.

use super::*;

fn component<'s>(sbom: &'s Sbom, name: &str) -> &'s Component {
    sbom.components.iter().find(|component| component.name == name).unwrap_or_else(|| panic!("no component {name}"))
}

#[test]
fn every_document_is_valid_and_of_the_format_that_its_name_says() {
    for (name, text) in DOCUMENTS {
        let Reading { sbom, report } = reading(text);
        assert!(report.is_valid(), "{name}: {:#?}", report.findings());
        assert_eq!(report.remarks(), 0, "{name}: {:#?}", report.findings());
        let format = format!("{}-{}", sbom.format.family(), sbom.format.version());
        assert!(name.starts_with(&format), "{name} {format}");
    }
}

#[test]
fn all_formats_say_the_same_of_the_same_artifact() {
    for (name, text) in DOCUMENTS {
        let sbom = reading(text).sbom;
        let mut components: Vec<(&str, &str, &str)> = sbom
            .components
            .iter()
            .map(|component| {
                let purl = component.purl.as_ref().map(Purl::as_str).unwrap_or_default();
                (component.name.as_str(), component.version.as_deref().unwrap_or_default(), purl)
            })
            .collect();
        components.sort_unstable();
        assert_eq!(
            components,
            [
                ("acme-shop", "1.0.0", "pkg:generic/acme-shop@1.0.0"),
                ("curl", "7.88.1-10+deb12u5", "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=amd64"),
                ("lodash", "4.17.21", "pkg:npm/lodash@4.17.21"),
                ("log4j-core", "2.14.1", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"),
                ("widget", "0.1", ""),
            ],
            "{name}"
        );
        assert_eq!(sbom.created.as_deref(), Some("2026-03-01T12:00:00Z"), "{name}");
        assert_eq!(sbom.tools, ["sbom-maker 2.1"], "{name}");
        assert_eq!(sbom.described().map(|root| root.name.as_str()).collect::<Vec<_>>(), ["acme-shop"], "{name}");
        assert_eq!(sbom.edges.dangling, 0, "{name}");
        assert!(sbom.edges.count >= 4, "{name}: {:?}", sbom.edges);
        assert!(sbom.serial.is_some(), "{name}");
    }
}

#[test]
fn licences_suppliers_hashes_and_cpes_are_read_in_every_format() {
    for (name, text) in DOCUMENTS {
        let sbom = reading(text).sbom;
        let lodash = component(&sbom, "lodash");
        assert_eq!(lodash.supplier.as_deref(), Some("OpenJS Foundation"), "{name}");
        assert_eq!(lodash.hashes.len(), 1, "{name}");
        assert_eq!(lodash.hashes[0].algorithm, "sha256", "{name}");
        let mit = Licence::Expression("MIT".into());
        assert!(lodash.declared.contains(&mit) || lodash.concluded.contains(&mit), "{name}");
        let log4j = component(&sbom, "log4j-core");
        assert_eq!(log4j.declared, [Licence::Expression("Apache-2.0".into())], "{name}");
        assert!(log4j.cpe.as_deref().is_some_and(|cpe| cpe.starts_with("cpe:2.3:a:apache:log4j")), "{name}");
        let curl = component(&sbom, "curl");
        let expression = "curl AND (MIT OR GPL-2.0-only WITH Classpath-exception-2.0)";
        assert_eq!(curl.declared, [Licence::Expression(expression.into())], "{name}");
        let widget = component(&sbom, "widget");
        let own =
            [Licence::Named("The Acme Widget Licence".into()), Licence::Expression("LicenseRef-acme-widget".into())];
        assert!(own.contains(&widget.declared[0]), "{name}");
    }
}

#[test]
fn what_is_concluded_is_told_from_what_is_declared() {
    for name in ["cyclonedx-1.6.json", "cyclonedx-1.7.xml", "spdx-2.3.json", "spdx-2.3.spdx", "spdx-3.0.1.json"] {
        let sbom = reading(document(name)).sbom;
        assert_eq!(component(&sbom, "lodash").concluded, [Licence::Expression("MIT".into())], "{name}");
    }
}

#[test]
fn a_media_type_of_another_family_is_remarked_on_and_no_error() {
    let read =
        |media_type: &str| read(document("spdx-2.3.json").as_bytes(), Some(media_type), &Limits::default()).unwrap();
    let wrong = read("application/vnd.cyclonedx+json").report;
    assert_eq!((wrong.remarks(), wrong.is_valid()), (1, true));
    for media_type in ["application/spdx+json", "text/spdx", "application/json"] {
        assert_eq!(read(media_type).report.remarks(), 0, "{media_type}");
    }
}

#[test]
fn a_valid_document_gives_its_model_and_an_invalid_one_an_error() {
    assert!(reading(document("spdx-2.3.json")).valid().is_ok());
    let broken = document("cyclonedx-1.6.json").replace("\"type\": \"library\"", "\"type\": \"librarry\"");
    let error = reading(&broken).valid().unwrap_err();
    assert_eq!(error.code(), Code::SbomInvalid);
    assert!(error.message().contains("/components/0/type"), "{}", error.message());
    assert_eq!(error.details().collect::<Vec<_>>(), [("errors", "3")]);
}
