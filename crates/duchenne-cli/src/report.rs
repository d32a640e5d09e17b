//! The report of an evaluation: a table or JSON on standard output, a page and its JSON in a folder.

use std::path::Path;

use duchenne::evaluation::report::{ReportPage, render_json, render_table, write_report};

use crate::terminal::{print, say};

/// Shows a report: JSON or a table on standard output, the page and its JSON in a folder where one is named.
///
/// # Errors
/// When one of them cannot be written.
pub(crate) fn present(page: &ReportPage, folder: Option<&Path>, json: bool) -> anyhow::Result<()> {
    // First what needs no disk: figures may have taken hours.
    print(if json { render_json(page)? } else { render_table(page) })?;
    if let Some(folder) = folder {
        let files = write_report(page, folder)?;
        say(format_args!("wrote {} and {}", files.html.display(), files.json.display()));
    }
    Ok(())
}
