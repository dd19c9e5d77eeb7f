//! `palisade-audit verify`: checks sealed trails on the command line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use palisade_audit::{Report, Verifier};

const USAGE: &str = "\
usage: palisade-audit verify [--key HEX] [--max-unsigned N] [--first SEQ] [--anchor SEQ:HEX]
                             [--checkpoints FILE] FILE...

Checks that no record of a sealed trail was changed, inserted, removed or moved. Give the files in
their order; the shell's order of <service>_audit.*.log is theirs, with <service>_audit.log last.

  --key HEX          public key of the checkpoints, 64 hexadecimal digits
  --max-unsigned N   fail where more than N records in a row are not signed
  --first SEQ        fail unless record SEQ is the first one: 1 for a trail from its beginning
  --anchor SEQ:HEX   fail unless record SEQ is there with this hash, as an earlier run printed them
  --checkpoints FILE fail unless the checkpoints in FILE, a copy kept elsewhere, are there; those
                     from before --first are passed over

Exit status: 0 when all is right, 1 when something is wrong, 2 when the check could not be made.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(Verdict::Right(report)) => {
            println!(
                "ok: records {} to {}, {} checkpoints, {} records after the last one\nanchor {}:{}",
                report.first,
                report.last,
                report.checkpoints,
                report.unsigned,
                report.last,
                hex(&report.head)
            );
            if report.gaps > 0 {
                println!(
                    "gaps: {} records say that others are missing (audit_gap, audit_file_replaced)",
                    report.gaps
                );
            }
            ExitCode::SUCCESS
        }
        Ok(Verdict::Wrong(where_and_what)) => {
            println!("{where_and_what}");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("palisade-audit: {error}");
            ExitCode::from(2)
        }
    }
}

enum Verdict {
    Right(Report),
    Wrong(String),
}

fn run(arguments: &[String]) -> Result<Verdict, String> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(USAGE.into());
    };
    if command != "verify" {
        return Err(USAGE.into());
    }
    let mut verifier = Verifier::new();
    let mut files = Vec::new();
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--key" => verifier = verifier.key(unhex(value()?)?),
            "--max-unsigned" => {
                let records = value()?
                    .parse()
                    .map_err(|_| "--max-unsigned needs a number")?;
                verifier = verifier.max_unsigned(records);
            }
            "--first" => {
                let seq = value()?.parse().map_err(|_| "--first needs a number")?;
                verifier = verifier.first(seq);
            }
            "--anchor" => {
                let (seq, hash) = value()?.split_once(':').ok_or("--anchor needs SEQ:HEX")?;
                let seq = seq.parse().map_err(|_| "--anchor needs SEQ:HEX")?;
                verifier = verifier.anchor(seq, unhex(hash)?);
            }
            "--checkpoints" => {
                let file = value()?;
                let read =
                    open(file).and_then(|copy| std::mem::take(&mut verifier).checkpoints(copy));
                verifier = read.map_err(|error| format!("{file}: {error}"))?;
            }
            _ if argument.starts_with("--") => {
                return Err(format!("{argument} is not known\n\n{USAGE}"));
            }
            _ => files.push(argument),
        }
    }
    if files.is_empty() {
        return Err(USAGE.into());
    }
    check(verifier, &files)
}

fn check(mut verifier: Verifier, files: &[&String]) -> Result<Verdict, String> {
    for file in files {
        let named = |error| format!("{file}: {error}");
        verifier.read(open(file).map_err(named)?).map_err(named)?;
    }
    Ok(match verifier.report() {
        Ok(report) => Verdict::Right(report),
        Err(bad) => {
            let nth = usize::try_from(bad.file).unwrap_or(0).saturating_sub(1);
            let file = files.get(nth).map_or("", |file| file.as_str());
            Verdict::Wrong(format!("{file}:{}: {}", bad.line, bad.fault))
        }
    })
}

fn open(file: &str) -> std::io::Result<Box<dyn BufRead>> {
    let opened = File::open(file)?;
    #[cfg(feature = "gzip")]
    if file.ends_with(".gz") {
        return Ok(Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(
            opened,
        ))));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 20, opened)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<[u8; 32], String> {
    let wrong = || format!("{text:?} is not 64 hexadecimal digits");
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    for (nth, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * nth..2 * nth + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}
