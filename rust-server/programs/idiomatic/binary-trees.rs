//! binary-trees: build, count and drop perfect binary trees, to see what memory management costs.
//!
//! The nodes of a tree come from a `bumpalo` arena: allocating one moves a pointer, and the whole
//! tree goes at once when its arena is reset. rayon shares out the trees of one depth, every thread
//! with an arena of its own. The time goes into writing the nodes and walking them again.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use bumpalo::Bump;
use rayon::prelude::*;
use rust_programs::Output;

const MIN_DEPTH: usize = 4;

struct Tree<'a> {
    /// None below a leaf.
    children: Option<[&'a Tree<'a>; 2]>,
}

impl<'a> Tree<'a> {
    fn new(depth: usize, arena: &'a Bump) -> &'a Tree<'a> {
        let child = || Tree::new(depth - 1, arena);
        arena.alloc(Tree { children: (depth > 0).then(|| [child(), child()]) })
    }

    fn nodes(&self) -> u64 {
        self.children.map_or(1, |[left, right]| 1 + left.nodes() + right.nodes())
    }
}

fn main() -> ExitCode {
    rust_programs::with_number("binary-trees", 0..=30, binary_trees)
}

fn binary_trees(n: usize, out: &mut Output) -> io::Result<()> {
    let max_depth = n.max(MIN_DEPTH + 2);
    let stretch = max_depth + 1;
    writeln!(out, "stretch tree of depth {stretch}\t check: {}", count(1, stretch))?;

    let arena = Bump::with_capacity(size_of::<Tree<'_>>() << (max_depth + 1));
    let long_lived = Tree::new(max_depth, &arena);
    for depth in (MIN_DEPTH..=max_depth).step_by(2) {
        let trees = 1 << (max_depth - depth + MIN_DEPTH);
        writeln!(out, "{trees}\t trees of depth {depth}\t check: {}", count(trees, depth))?;
    }
    writeln!(out, "long lived tree of depth {max_depth}\t check: {}", long_lived.nodes())
}

/// The nodes of `trees` trees, each built, counted and dropped.
fn count(trees: u64, depth: usize) -> u64 {
    let trees = (0..trees).into_par_iter();
    // Room for a whole tree at once: an arena that grows by and by leaves what it grew out of.
    let arena = || Bump::with_capacity(size_of::<Tree<'_>>() << (depth + 1));
    let nodes = trees.map_init(arena, |arena, _| {
        let nodes = Tree::new(depth, arena).nodes();
        arena.reset();
        nodes
    });
    nodes.sum()
}
