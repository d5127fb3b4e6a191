//! What it costs to read a bill of materials: 10 MB of CycloneDX and of SPDX, validated and made into the model.
#![expect(clippy::unwrap_used, reason = "a benchmark that panics has failed")]
#![expect(clippy::print_stdout, reason = "says what criterion does not: the memory")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zas_proxy::supply_chain::sbom::{Limits, read};

/// How long the documents are, in bytes.
const LENGTH: usize = 10_000_000;

fn cyclonedx() -> String {
    let mut components = String::new();
    let mut dependencies = String::new();
    for i in 0.. {
        if components.len() + dependencies.len() > LENGTH {
            break;
        }
        let comma = if i == 0 { "" } else { "," };
        write!(
            components,
            r#"{comma}{{"bom-ref":"pkg:npm/%40acme/package-{i}@1.{i}.0","type":"library","supplier":{{"name":"Acme"}},"group":"@acme","name":"package-{i}","version":"1.{i}.0","description":"The package number {i}, which does what packages of its kind do","scope":"required","hashes":[{{"alg":"SHA-256","content":"{i:064x}"}}],"licenses":[{{"license":{{"id":"MIT"}}}}],"purl":"pkg:npm/%40acme/package-{i}@1.{i}.0","externalReferences":[{{"type":"website","url":"https://acme.example/package-{i}"}}],"properties":[{{"name":"acme:layer","value":"sha256:{i:064x}"}}]}}"#
        )
        .unwrap();
        let before = i64::max(i - 1, 0);
        write!(
            dependencies,
            r#"{comma}{{"ref":"pkg:npm/%40acme/package-{i}@1.{i}.0","dependsOn":["pkg:npm/%40acme/package-{before}@1.{before}.0"]}}"#
        )
        .unwrap();
    }
    format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[{components}],"dependencies":[{dependencies}]}}"#
    )
}

fn cyclonedx_xml() -> String {
    let mut components = String::new();
    for i in 0.. {
        if components.len() > LENGTH {
            break;
        }
        write!(
            components,
            r#"<component type="library" bom-ref="package-{i}"><group>@acme</group><name>package-{i}</name><version>1.{i}.0</version><description>The package number {i}, which does what packages of its kind do</description><hashes><hash alg="SHA-256">{i:064x}</hash></hashes><licenses><license><id>MIT</id></license></licenses><purl>pkg:npm/%40acme/package-{i}@1.{i}.0</purl></component>"#
        )
        .unwrap();
    }
    format!(
        r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="1"><components>{components}</components></bom>"#
    )
}

fn spdx() -> String {
    let mut packages = String::new();
    let mut relationships = String::new();
    for i in 0.. {
        if packages.len() + relationships.len() > LENGTH {
            break;
        }
        let comma = if i == 0 { "" } else { "," };
        write!(
            packages,
            r#"{comma}{{"SPDXID":"SPDXRef-{i}","name":"package-{i}","versionInfo":"1.{i}.0","downloadLocation":"https://acme.example/package-{i}","filesAnalyzed":false,"licenseDeclared":"MIT OR Apache-2.0","licenseConcluded":"NOASSERTION","copyrightText":"NOASSERTION","checksums":[{{"algorithm":"SHA256","checksumValue":"{i:064x}"}}],"externalRefs":[{{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/package-{i}@1.{i}.0"}}]}}"#
        )
        .unwrap();
        write!(
            relationships,
            r#"{comma}{{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-{i}"}}"#
        )
        .unwrap();
    }
    format!(
        r#"{{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"large","documentNamespace":"https://acme.example/large","creationInfo":{{"created":"2026-03-01T12:00:00Z","creators":["Tool: none"]}},"packages":[{packages}],"relationships":[{relationships}]}}"#
    )
}

/// The most memory that the process has had so far, in MiB; nothing where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

fn documents(c: &mut Criterion) {
    let mut group = c.benchmark_group("an SBOM of 10 MB, validated and read");
    group.sample_size(10);
    for (name, document) in
        [("CycloneDX JSON", cyclonedx()), ("SPDX 2.3 JSON", spdx()), ("CycloneDX XML", cyclonedx_xml())]
    {
        let reading = read(document.as_bytes(), None, &Limits::default()).unwrap();
        assert!(reading.report.is_valid(), "{:#?}", reading.report.findings().first());
        println!(
            "{name}: {} bytes, {} components, {} edges; memory so far {:?} MiB",
            document.len(),
            reading.sbom.components.len(),
            reading.sbom.edges.count,
            peak_memory()
        );
        drop(reading);
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| black_box(read(document.as_bytes(), None, &Limits::default()).unwrap()));
        });
        println!("{name}: memory so far {:?} MiB", peak_memory());
    }
    group.finish();
}

criterion_group!(benches, documents);
criterion_main!(benches);
