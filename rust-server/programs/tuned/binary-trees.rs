//! binary-trees: build, count and drop perfect binary trees, to see what memory management costs.
//!
//! The nodes of a tree lie side by side in an arena, and know their children by index: allocating
//! one is a push, and the whole tree goes at once when its arena is cleared. rayon shares out the
//! trees of one depth, every thread with an arena of its own. The time goes into writing the nodes
//! and walking them again.
//!
//! Build flags: target-cpu=x86-64-v3, LTO, codegen-units=1, panic=abort.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

const MIN_DEPTH: usize = 4;

/// The nodes of a tree, each its two children, which come before it; of a leaf both are 0. Index 0
/// is a leaf, and the left child of its parent.
struct Arena {
    nodes: Vec<[u32; 2]>,
}

impl Arena {
    /// With room for a perfect tree.
    fn new(depth: usize) -> Arena {
        Arena { nodes: Vec::with_capacity(2 << depth) }
    }

    /// Makes a perfect tree, its leaves first, and returns its root.
    fn build(&mut self, depth: usize) -> u32 {
        let children =
            if depth > 0 { [self.build(depth - 1), self.build(depth - 1)] } else { [0, 0] };
        self.nodes.push(children);
        (self.nodes.len() - 1) as u32
    }

    fn count(&self, root: u32) -> u64 {
        match self.nodes[root as usize] {
            [_, 0] => 1,
            [left, right] => 1 + self.count(left) + self.count(right),
        }
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("binary-trees", 0..=30, binary_trees)
}

fn binary_trees(n: usize, out: &mut Output) -> io::Result<()> {
    let max_depth = n.max(MIN_DEPTH + 2);
    let stretch = max_depth + 1;
    writeln!(out, "stretch tree of depth {stretch}\t check: {}", count(1, stretch))?;

    let mut long_lived = Arena::new(max_depth);
    let root = long_lived.build(max_depth);
    for depth in (MIN_DEPTH..=max_depth).step_by(2) {
        let trees = 1 << (max_depth - depth + MIN_DEPTH);
        writeln!(out, "{trees}\t trees of depth {depth}\t check: {}", count(trees, depth))?;
    }
    writeln!(out, "long lived tree of depth {max_depth}\t check: {}", long_lived.count(root))
}

/// The nodes of `trees` trees, each built, counted and dropped.
fn count(trees: u64, depth: usize) -> u64 {
    let trees = (0..trees).into_par_iter();
    let nodes = trees.map_init(
        || Arena::new(depth),
        |arena, _| {
            arena.nodes.clear();
            let root = arena.build(depth);
            arena.count(root)
        },
    );
    nodes.sum()
}
