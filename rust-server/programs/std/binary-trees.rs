//! binary-trees: build, count and drop perfect binary trees, to see what memory management costs.
//!
//! Every node is a `Box` of its own, from the system's allocator, and is freed when its tree goes
//! out of scope. The trees of one depth are shared out in sixteenths; a thread that is done takes
//! the next share. Nearly all time is spent in `malloc` and `free`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;

use rust_programs::Output;

const MIN_DEPTH: usize = 4;
/// There are never fewer trees of a depth than this, and always a multiple of it.
const SHARES: usize = 16;

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
    for (depth, trees, nodes) in count_all(max_depth) {
        writeln!(out, "{trees}\t trees of depth {depth}\t check: {nodes}")?;
    }
    writeln!(out, "long lived tree of depth {max_depth}\t check: {}", long_lived.nodes())
}

/// For every second depth: the depth, how many trees of it were built, and their nodes.
fn count_all(max_depth: usize) -> Vec<(usize, usize, u64)> {
    let rows: Vec<(usize, usize, AtomicU64)> = (MIN_DEPTH..=max_depth)
        .step_by(2)
        .map(|depth| (depth, 1 << (max_depth - depth + MIN_DEPTH), AtomicU64::new(0)))
        .collect();
    let next_share = AtomicUsize::new(0);
    let work = || {
        while let Some((depth, trees, total)) = rows.get(next_share.fetch_add(1, Relaxed) / SHARES)
        {
            let nodes: u64 = (0..trees / SHARES).map(|_| Tree::new(*depth).nodes()).sum();
            total.fetch_add(nodes, Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..rust_programs::cores() {
            scope.spawn(work);
        }
    });
    rows.into_iter().map(|(depth, trees, total)| (depth, trees, total.into_inner())).collect()
}
