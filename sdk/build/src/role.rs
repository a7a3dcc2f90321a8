//! The roles that a plugin can have: what a new project does in each of them, and the configuration that runs it.
//!
//! What it does is the same in all languages. How it does so is theirs: see [`language`](crate::language).

/// What a plugin decides as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Picks a backend.
    Balancer,
    /// Finds the backend that a client is bound to, and binds it.
    Affinity,
    /// Picks a pool.
    Router,
    /// Weighs backends for the balancer behind it.
    Shaper,
}

/// How many there are.
pub(crate) const COUNT: usize = Role::ALL.len();

impl Role {
    /// All of them, in the order in which a language has its sources.
    pub const ALL: [Self; 4] = [Self::Balancer, Self::Affinity, Self::Router, Self::Shaper];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// As in `--role` and `plugin.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balancer => "balancer",
            Self::Affinity => "affinity",
            Self::Router => "router",
            Self::Shaper => "shaper",
        }
    }

    /// With its article, to begin a sentence with: `An affinity`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Balancer => "A balancer",
            Self::Affinity => "An affinity",
            Self::Router => "A router",
            Self::Shaper => "A shaper",
        }
    }

    /// What such a plugin does, for a list.
    pub fn task(self) -> &'static str {
        match self {
            Self::Balancer => "picks a backend",
            Self::Affinity => "finds the backend that a client is bound to, and binds it",
            Self::Router => "picks one of a route's pools",
            Self::Shaper => "weighs backends for the balancer behind it",
        }
    }

    /// The configuration of a new project.
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Self::Balancer => include_str!("../templates/roles/balancer.toml"),
            Self::Affinity => include_str!("../templates/roles/affinity.toml"),
            Self::Router => include_str!("../templates/roles/router.toml"),
            Self::Shaper => include_str!("../templates/roles/shaper.toml"),
        }
    }

    /// What a new project does, for its README.
    pub(crate) fn story(self) -> &'static str {
        match self {
            Self::Balancer => {
                "A request with the header `x-backend: ID` goes to that backend, any other to a random one."
            }
            Self::Affinity => {
                "A response sets the cookie `backend` to the id of the backend that answered, and a request with it goes there again,\n\
                 as long as that is not down. Clients can read it and write another id: the built-in `cookie` seals what it sets."
            }
            Self::Router => {
                "A request with the header `x-pool: NAME` goes to that pool, if it is one of the route's `pools`, any other to the\n\
                 route's own."
            }
            Self::Shaper => {
                "A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it."
            }
        }
    }

    /// A command that shows it, for the README.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Balancer => "curl -H 'x-backend: b2' http://127.0.0.1:8080/",
            Self::Affinity => "curl -c jar -b jar http://127.0.0.1:8080/      # and again: the same backend answers",
            Self::Router => "curl -H 'x-pool: next' http://127.0.0.1:8080/",
            Self::Shaper => "for n in 1 2 3 4 5; do curl http://127.0.0.1:8080/; done      # b3 answers one of five",
        }
    }
}
