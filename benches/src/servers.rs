//! The database, the cache and the broker that nodes of a bench share, as `charts/with-servers` starts them.

/// Their URLs, from `BRANCHLINE_STORE`, `BRANCHLINE_CACHE` and `BRANCHLINE_BUS`. A run fills the database, so it
/// must be an empty one.
pub struct Servers {
    store: String,
    cache: String,
    bus: String,
}

impl Servers {
    /// None, and a word about it: they are not named.
    pub fn named() -> Option<Servers> {
        let of = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
        let servers = of("BRANCHLINE_STORE").zip(of("BRANCHLINE_CACHE")).zip(of("BRANCHLINE_BUS"));
        if servers.is_none() {
            println!("no servers are named; charts/with-servers starts some: nothing measured");
        }
        servers.map(|((store, cache), bus)| Servers { store, cache, bus })
    }

    /// The flags of a node that uses them.
    pub fn flags(&self) -> [&str; 6] {
        ["--store", &self.store, "--cache", &self.cache, "--bus", &self.bus]
    }
}
