//! Documents with one thing wrong: it is found, by its rule and at its place.

use super::*;

/// A document with `from` replaced, which must stand in it.
fn broken(name: &str, from: &str, to: &str) -> String {
    let text = document(name);
    assert!(text.contains(from), "{name} has no {from}");
    text.replacen(from, to, 1)
}

/// What is broken how, and the one finding, of which the second text must be a part.
type Case = (&'static str, &'static str, &'static str, &'static str);

#[track_caller]
fn assert_found(cases: &[Case]) {
    for (name, from, to, expected) in cases {
        let findings = findings(&broken(name, from, to));
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{name} {from} -> {to}: {findings:#?}");
    }
}

#[test]
fn cyclonedx_json_that_breaks_its_schema() {
    for (version, unknown) in
        [("1.4", true), ("1.5", true), ("1.6", true), ("1.7", true), ("1.2", false), ("1.3", false)]
    {
        let name =
            DOCUMENTS.iter().map(|(name, _)| *name).find(|name| *name == format!("cyclonedx-{version}.json")).unwrap();
        assert_found(&[
            (
                name,
                "\"type\": \"library\"",
                "\"type\": \"nothing\"",
                "schema /components/0/type: `nothing` is not one of: ",
            ),
            (name, "\"name\": \"lodash\",", "", "schema /components/0: the member `name` is missing"),
            (name, "\"name\": \"lodash\"", "\"name\": 7", "schema /components/0/name: must be of the type string"),
            (name, "urn:uuid:3f6a", "urn:uuid:zzzz", "schema /serialNumber: `urn:uuid:zzzz"),
            (name, "2026-03-01T12:00:00Z", "yesterday", "schema /metadata/timestamp: `yesterday` is no date-time"),
            (name, "\"id\": \"MIT\"", "\"id\": \"MIT-0.9\"", "/components/0/licenses/0/license"),
        ]);
        if unknown {
            assert_found(&[(
                name,
                "\"version\": 1,",
                "\"version\": 1, \"colour\": 2,",
                "schema the document: unknown members: colour",
            )]);
        }
    }
}

#[test]
fn cyclonedx_json_that_breaks_a_rule_no_schema_has() {
    for version in ["1.2", "1.7"] {
        let name =
            DOCUMENTS.iter().map(|(name, _)| *name).find(|name| *name == format!("cyclonedx-{version}.json")).unwrap();
        assert_found(&[
            (
                name,
                "\"bom-ref\": \"log4j\"",
                "\"bom-ref\": \"lodash\"",
                "duplicate_id /components/1/bom-ref: `lodash` stands for",
            ),
            (
                name,
                "\"bom-ref\": \"widget\"",
                "\"bom-ref\": \"gadget\"",
                "dangling_reference /dependencies/1/dependsOn/0: refers",
            ),
            (name, "\"ref\": \"shop\"", "\"ref\": \"stop\"", "dangling_reference /dependencies/0/ref"),
            (name, "curl AND (MIT", "curl AND MIT", "licence_expression /components/2/licenses/0/expression"),
            (name, "curl AND (MIT", "nothing-9 AND (MIT", "at `nothing-9`"),
            (
                name,
                "\"purl\": \"pkg:npm/lodash@4.17.21\"",
                "\"purl\": \"lodash@4\"",
                "package_url /components/0/purl: `lodash@4`",
            ),
        ]);
    }
    let twice = broken(
        "cyclonedx-1.5.json",
        "{\n      \"ref\": \"lodash\"\n    }",
        "{\"ref\": \"lodash\"}, {\"ref\": \"lodash\"}",
    );
    assert_eq!(findings(&twice), ["schema /dependencies/3: equals an element before it"]);
}

#[test]
fn a_link_to_another_bom_is_not_dangling() {
    let linked = broken(
        "cyclonedx-1.6.json",
        "\"widget\"\n      ]",
        "\"widget\", \"urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#component\"]",
    );
    let Reading { sbom, report } = reading(&linked);
    assert!(report.is_valid(), "{:#?}", report.findings());
    assert_eq!(sbom.edges, Edges { count: 5, dangling: 0 });
}

#[test]
fn cyclonedx_xml_that_breaks_its_schema_or_a_rule() {
    for version in ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"] {
        let name =
            DOCUMENTS.iter().map(|(name, _)| *name).find(|name| *name == format!("cyclonedx-{version}.xml")).unwrap();
        assert_found(&[
            (
                name,
                "component type=\"library\" bom-ref=\"lodash\"",
                "component type=\"nothing\" bom-ref=\"lodash\"",
                "schema /bom[1]/components[1]/component[1]",
            ),
            (name, "<name>lodash</name>", "", "(line 18"),
            (name, "<name>lodash</name>", "<name>lodash</name><colour/>", "(line 17"),
            (name, "alg=\"SHA-256\"", "alg=\"SHA-255\"", "schema /bom[1]/components[1]/component[1]/hashes[1]/hash[1]"),
            (name, "bom-ref=\"log4j\"", "bom-ref=\"lodash\"", "schema "),
            (name, "<id>MIT</id>", "<id>MIT-0.9</id>", "(line 20, column "),
            (
                name,
                "bom-ref=\"widget\"",
                "bom-ref=\"gadget\"",
                "dangling_reference /dependencies/1/dependsOn/0 (line 52, column 5)",
            ),
            (name, "curl AND (MIT", "curl AND MIT", "licence_expression expression (line 42, column 17)"),
            (
                name,
                "<purl>pkg:npm/lodash@4.17.21",
                "<purl>lodash@4",
                "package_url purl (line 21, column 7): `lodash@4`",
            ),
        ]);
    }
}

#[test]
fn spdx_2_json_that_breaks_its_schema_or_a_rule() {
    for name in ["spdx-2.2.json", "spdx-2.3.json"] {
        assert_found(&[
            (name, "\"name\": \"lodash\",", "", "schema /packages/1: the member `name` is missing"),
            (
                name,
                "\"filesAnalyzed\": false",
                "\"filesAnalyzed\": \"no\"",
                "schema /packages/0/filesAnalyzed: must be of the type boolean",
            ),
            (
                name,
                "\"relationshipType\": \"DEPENDS_ON\"",
                "\"relationshipType\": \"LIKES\"",
                "schema /relationships/1/relationshipType",
            ),
            (
                name,
                "\"dataLicense\": \"CC0-1.0\"",
                "\"dataLicense\": \"MIT\"",
                "value /dataLicense: is `MIT` and must be CC0-1.0",
            ),
            (
                name,
                "\"SPDXID\": \"SPDXRef-DOCUMENT\"",
                "\"SPDXID\": \"SPDXRef-doc\"",
                "invalid_id /SPDXID: is `SPDXRef-doc`",
            ),
            (name, "\"SPDXID\": \"SPDXRef-lodash\"", "\"SPDXID\": \"SPDXRef_lodash\"", "invalid_id /packages/1/SPDXID"),
            (name, "\"SPDXID\": \"SPDXRef-lodash\"", "\"SPDXID\": \"SPDXRef-curl\"", "duplicate_id /packages/4/SPDXID"),
            (
                name,
                "\"relatedSpdxElement\": \"SPDXRef-lodash\"",
                "\"relatedSpdxElement\": \"SPDXRef-gone\"",
                "dangling_reference /relationships/1/relatedSpdxElement",
            ),
            (name, "2026-03-01T12:00:00Z", "2026-03-01", "value /creationInfo/created: `2026-03-01` is no time"),
            (name, "Organization: Acme", "Acme", "value /creationInfo/creators/1: `Acme` is no Tool:"),
            (
                name,
                "https://acme.example/spdx/acme-shop-1.0.0",
                "https://acme.example/spdx#a",
                "value /documentNamespace: must have no `#`",
            ),
            (
                name,
                "\"licenseId\": \"LicenseRef-acme-widget\"",
                "\"licenseId\": \"LicenseRef-other\"",
                "dangling_reference /packages/3/licenseDeclared",
            ),
            (
                name,
                "\"licenseDeclared\": \"MIT\"",
                "\"licenseDeclared\": \"MIT OR\"",
                "licence_expression /packages/1/licenseDeclared: `MIT OR`",
            ),
            (name, "pkg:npm/lodash@4.17.21", "npm:lodash", "package_url /packages/1/externalRefs/0/referenceLocator"),
        ]);
    }
}

#[test]
fn spdx_tag_value_names_the_line() {
    for name in ["spdx-2.2.spdx", "spdx-2.3.spdx"] {
        assert_found(&[
            (name, "PackageName: lodash", "PackageNam: lodash", "is no tag, or not one that may stand here"),
            (
                name,
                "FilesAnalyzed: false",
                "FilesAnalyzed: no",
                "schema FilesAnalyzed (line 20, column 1): `no` is neither true nor false",
            ),
            (
                name,
                "Relationship: SPDXRef-shop DEPENDS_ON SPDXRef-lodash",
                "Relationship: SPDXRef-shop LIKES SPDXRef-lodash",
                "schema /relationships/1/relationshipType (line ",
            ),
            (
                name,
                "Relationship: SPDXRef-shop DEPENDS_ON SPDXRef-lodash",
                "Relationship: SPDXRef-shop DEPENDS_ON SPDXRef-x",
                "dangling_reference /relationships/1/relatedSpdxElement (line ",
            ),
            (
                name,
                "PackageDownloadLocation: NOASSERTION\n",
                "",
                "schema /packages/0 (line 16, column 1): the member `downloadLocation` is missing",
            ),
            (
                name,
                "PackageVersion: 1.0.0",
                "PackageVersion: 1.0.0\nPackageVersion: 2",
                "schema PackageVersion (line 19, column 1): `2` stands a second time",
            ),
            (name, "Created: 2026-03-01T12:00:00Z", "Created: then", "value /creationInfo/created"),
        ]);
    }
}

#[test]
fn spdx_3_that_breaks_its_schema_or_a_rule() {
    let name = "spdx-3.0.1.json";
    assert_found(&[
        (
            name,
            "\"software_packageVersion\": \"4.17.21\"",
            "\"software_packageVersion\": 4",
            "schema /@graph/7/software_packageVersion: must be of the type string",
        ),
        (
            name,
            "\"relationshipType\": \"dependsOn\"",
            "\"relationshipType\": \"likes\"",
            "schema /@graph/14/relationshipType: `likes` is not one of",
        ),
        (
            name,
            "\"software_primaryPurpose\"",
            "\"software_colour\"",
            "schema /@graph/6: unknown members: software_colour",
        ),
        (name, "\"type\": \"Tool\"", "\"type\": \"Tooth\"", "schema /@graph/3"),
        (
            name,
            "\"spdxId\": \"https://acme.example/spdx3/acme-shop-1.0.0#lodash\"",
            "\"spdxId\": \"https://acme.example/spdx3/acme-shop-1.0.0#curl\"",
            "duplicate_id /@graph/10/spdxId",
        ),
        (
            name,
            "shop-1.0.0#lodash\",\n        \"https",
            "shop-1.0.0#gone\",\n        \"https",
            "dangling_reference /@graph/14/to/0",
        ),
        (name, "\"type\": \"SpdxDocument\"", "\"type\": \"Bom\"", "value the document: there is no SpdxDocument"),
        (
            name,
            "\"simplelicensing_licenseExpression\": \"MIT\"",
            "\"simplelicensing_licenseExpression\": \"MIT AND\"",
            "licence_expression /@graph/11/simplelicensing_licenseExpression",
        ),
        (name, "pkg:npm/lodash@4.17.21", "lodash", "package_url /@graph/7/software_packageUrl"),
    ]);
}

#[test]
fn xml_with_a_document_type_declaration_or_another_encoding_is_not_read() {
    let doctype =
        broken("cyclonedx-1.6.xml", "<bom ", "<!DOCTYPE bom [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<bom ");
    let refusal = read(doctype.as_bytes(), None, &Limits::default()).unwrap_err();
    assert_eq!(refusal.to_string(), "line 2, column 1: a document type declaration is not read");
    let latin = broken("cyclonedx-1.6.xml", "UTF-8", "ISO-8859-1");
    let refusal = read(latin.as_bytes(), None, &Limits::default()).unwrap_err();
    assert_eq!(refusal.to_string(), "XML in the encoding ISO-8859-1 is not read");
    let entity = broken("cyclonedx-1.6.xml", "lodash</name>", "&lodash;</name>");
    assert!(matches!(read(entity.as_bytes(), None, &Limits::default()), Err(Refusal::Malformed { .. })));
}
