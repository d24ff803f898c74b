//! What of an executable is neither code nor data: its symbol table and debugging information.
//!
//! Layouts are those of elf(5), for 64-bit little-endian files, which all CPUs that Duet runs on
//! have. Every offset is checked: a file that is none gives nothing.

/// The size of an executable after `strip`: without the sections that only linkers and debuggers
/// read. What alignment costs stays in, so it may differ from a stripped file by some bytes. Absent
/// where `file` is no such executable.
pub(crate) fn stripped_bytes(file: &[u8]) -> Option<u64> {
    // Magic number, ELFCLASS64, ELFDATA2LSB.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = number(file, 0x28, 8)?;
    let [entry_bytes, count, names_index] = [0x3a, 0x3c, 0x3e].map(|at| number(file, at, 2));
    let (entry_bytes, count) = (entry_bytes?, count?);
    let section = |index: u64| -> Option<Section> {
        let at = table.checked_add(index.checked_mul(entry_bytes)?)?;
        let field = |offset: u64, bytes: usize| number(file, at.checked_add(offset)?, bytes);
        Some(Section {
            name: field(0x00, 4)?,
            kind: field(0x04, 4)?,
            flags: field(0x08, 8)?,
            offset: field(0x18, 8)?,
            bytes: field(0x20, 8)?,
        })
    };
    let names = section(names_index?)?.offset;
    let mut left = file.len() as u64;
    for index in 0..count {
        let section = section(index)?;
        let name = file.get(usize::try_from(names.checked_add(section.name)?).ok()?..)?;
        if section.is_stripped(name) {
            left = left.checked_sub(section.bytes)?;
        }
    }
    Some(left)
}

/// What a section header says.
struct Section {
    name: u64,
    kind: u64,
    flags: u64,
    offset: u64,
    bytes: u64,
}

impl Section {
    /// Whether `strip` would remove it; `name` is its name, with more behind a zero byte.
    fn is_stripped(&self, name: &[u8]) -> bool {
        const SHT_NOBITS: u64 = 8;
        const SHF_ALLOC: u64 = 2;
        let begins = |word: &&[u8]| name.starts_with(word);
        let of_debuggers: [&[u8]; 4] = [b".debug_", b".zdebug_", b".symtab\0", b".strtab\0"];
        let in_file = self.kind != SHT_NOBITS && self.flags & SHF_ALLOC == 0;
        in_file && of_debuggers.iter().any(begins)
    }
}

/// A little-endian number of so many bytes.
fn number(file: &[u8], at: u64, bytes: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let digits = file.get(at..at.checked_add(bytes)?)?;
    Some(digits.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_smaller_without_what_debuggers_read() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("it is there");
        let stripped = stripped_bytes(&own).expect("tests are executables");
        assert!(stripped > 0 && stripped < own.len() as u64, "{stripped} of {}", own.len());
        // Cut off anywhere it is none, and nothing panics.
        for length in [0, 5, 6, 0x28, 0x40, own.len() / 2] {
            assert_eq!(stripped_bytes(&own[..length]), None, "{length}");
        }
        assert_eq!(stripped_bytes(b"#!/bin/sh\n"), None);
    }
}
