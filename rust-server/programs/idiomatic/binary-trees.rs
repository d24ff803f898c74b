//! binary-trees: build, count and drop perfect binary trees, to see what memory management costs.
//!
//! Every node is a `Box` of its own, from the system's allocator, and is freed when its tree goes
//! out of scope. rayon shares out the trees of one depth. Nearly all time is spent in `malloc` and
//! `free`.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use rayon::prelude::*;
use rust_programs::Output;

const MIN_DEPTH: usize = 4;

struct Tree {
    left: Option<Box<Tree>>,
    right: Option<Box<Tree>>,
}

impl Tree {
    fn new(depth: usize) -> Box<Tree> {
        let child = || (depth > 0).then(|| Tree::new(depth - 1));
        Box::new(Tree { left: child(), right: child() })
    }

    fn nodes(&self) -> u64 {
        let below = |child: &Option<Box<Tree>>| child.as_ref().map_or(0, |tree| tree.nodes());
        1 + below(&self.left) + below(&self.right)
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("binary-trees", 0..=30, binary_trees)
}

fn binary_trees(n: usize, out: &mut Output) -> io::Result<()> {
    let max_depth = n.max(MIN_DEPTH + 2);
    let stretch = max_depth + 1;
    writeln!(out, "stretch tree of depth {stretch}\t check: {}", Tree::new(stretch).nodes())?;

    let long_lived = Tree::new(max_depth);
    for depth in (MIN_DEPTH..=max_depth).step_by(2) {
        let trees = 1_u64 << (max_depth - depth + MIN_DEPTH);
        let nodes: u64 = (0..trees).into_par_iter().map(|_| Tree::new(depth).nodes()).sum();
        writeln!(out, "{trees}\t trees of depth {depth}\t check: {nodes}")?;
    }
    writeln!(out, "long lived tree of depth {max_depth}\t check: {}", long_lived.nodes())
}
