//! What of an executable is neither code nor data: its symbol table and debugging information.

use object::elf::SHF_ALLOC;
use object::{BinaryFormat, File, Object, ObjectSection, SectionFlags};

/// What the names of sections begin with that only linkers and debuggers read.
const STRIPPED: [&str; 4] = [".debug_", ".zdebug_", ".symtab", ".strtab"];

/// The size of an executable after `strip`: without the sections that only linkers and debuggers
/// read. What alignment costs stays in, so it may differ from a stripped file by some bytes. Absent
/// where `file` is no ELF file.
pub(crate) fn stripped_bytes(file: &[u8]) -> Option<u64> {
    let parsed = File::parse(file).ok().filter(|file| file.format() == BinaryFormat::Elf)?;
    let removed = parsed.sections().filter_map(|section| {
        let name = section.name().ok()?;
        let SectionFlags::Elf { sh_flags } = section.flags() else { return None };
        let is_loaded = sh_flags & u64::from(SHF_ALLOC) != 0;
        let is_removed = !is_loaded && STRIPPED.iter().any(|begin| name.starts_with(begin));
        let (_, bytes) = section.file_range().filter(|_| is_removed)?;
        Some(bytes)
    });
    (file.len() as u64).checked_sub(removed.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_smaller_without_what_debuggers_read() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("it is there");
        let stripped = stripped_bytes(&own).expect("tests are executables");
        assert!(stripped > 0 && stripped < own.len() as u64, "{stripped} of {}", own.len());
        for length in [0, 5, 6, 0x28, 0x40, own.len() / 2] {
            assert_eq!(stripped_bytes(&own[..length]), None, "cut off after {length}");
        }
        assert_eq!(stripped_bytes(b"#!/bin/sh\n"), None);
    }
}
