//! `mesh-header`: prints `mesh.h`, made of the crate in `..` as `cbindgen.toml` says.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".."));
    let made = cbindgen::Config::from_file(folder.join("cbindgen.toml"))
        .map_err(|error| error.clone())
        .and_then(|config| {
            let mut builder = cbindgen::Builder::new().with_config(config);
            let modules = [
                "status", "text", "error", "value", "read", "token", "args", "context", "job",
                "client", "stream", "app",
            ];
            for module in modules {
                builder = builder.with_src(folder.join("src").join(module).with_extension("rs"));
            }
            builder.generate().map_err(|error| error.to_string())
        });
    match made {
        Ok(bindings) => {
            let mut header = Vec::new();
            bindings.write(&mut header);
            // Rust's heading for what a caller must see to, as a sentence of the header.
            let header = String::from_utf8_lossy(&header).replace("* # Safety\n", "* Requires:\n");
            print!("{header}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mesh-header: {error}");
            ExitCode::FAILURE
        }
    }
}
