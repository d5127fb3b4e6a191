//! s3fs, pandas, pyarrow and DuckDB against a running server. The steps are in `clients/tables_tour.py`.

use anyhow::Result;
use zas_e2e::{
    clients::{Room, run_tour},
    harness::Endpoint,
    on_each_backend,
    tools::{Tool, require},
};

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/tables_tour.py");

fn tables_are_written_and_read_by_range(server: &Endpoint) -> Result<()> {
    let Some(python) = require(Tool::Tables, "tables_are_written_and_read_by_range")? else { return Ok(()) };
    let room = Room::new(server)?;
    run_tour(&mut room.command(&python, [TOUR]))
}

on_each_backend!(tables_are_written_and_read_by_range);
