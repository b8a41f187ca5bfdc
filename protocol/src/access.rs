//! Policy as data: who may do what, declared beside the resource, decided in the gateway alone.

/// Who may use an operation. A caller of another customer never gets as far: the row does not exist for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nobody from outside: one domain asks another.
    Internal,
    /// Operators of the whole installation (VoIPBIN's project super admin).
    Platform,
    /// Admins of the owning customer.
    Admin,
    /// Admins and managers of the owning customer.
    Staff,
    /// Any agent of the owning customer.
    Member,
    /// Admins and managers, or the agent that the row is about (its `id` or `owner_id`).
    Own,
}

/// One rule per operation of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub list: Rule,
    pub get: Rule,
    pub create: Rule,
    pub update: Rule,
    pub delete: Rule,
}

impl Access {
    pub const STAFF: Access = Access::all(Rule::Staff);
    pub const ADMIN: Access = Access::all(Rule::Admin);
    pub const PLATFORM: Access = Access::all(Rule::Platform);
    pub const INTERNAL: Access = Access::all(Rule::Internal);

    pub const fn all(rule: Rule) -> Self {
        Access { list: rule, get: rule, create: rule, update: rule, delete: rule }
    }
    pub const fn list(mut self, rule: Rule) -> Self {
        self.list = rule;
        self
    }
    pub const fn get(mut self, rule: Rule) -> Self {
        self.get = rule;
        self
    }
    pub const fn create(mut self, rule: Rule) -> Self {
        self.create = rule;
        self
    }
    pub const fn update(mut self, rule: Rule) -> Self {
        self.update = rule;
        self
    }
    pub const fn delete(mut self, rule: Rule) -> Self {
        self.delete = rule;
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Method::Get, Method::Post, Method::Put, Method::Delete].into_iter().find(|m| m.name() == name)
    }
}

/// What the reply of a verb is, and so what the gateway lets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The row after the change; leaves as [`crate::Resource::view`].
    Row,
    /// Rows with a page token.
    Page,
    /// 200 with no body.
    Empty,
    /// A document of the verb's own, outward as it is.
    Document,
}

/// Something to do with an item (`POST /calls/{id}/hangup`) or with a collection (`GET /available_numbers`).
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    pub method: Method,
    /// The last part of the path: letters, digits, `-` and `_`.
    pub name: &'static str,
    pub rule: Rule,
    pub reply: Reply,
}

impl PartialEq for Verb {
    fn eq(&self, other: &Verb) -> bool {
        self.method == other.method && self.name == other.name
    }
}

impl Eq for Verb {}

impl Verb {
    pub const fn new(method: Method, name: &'static str) -> Self {
        Verb { method, name, rule: Rule::Staff, reply: Reply::Row }
    }
    pub const fn get(name: &'static str) -> Self {
        Self::new(Method::Get, name)
    }
    pub const fn post(name: &'static str) -> Self {
        Self::new(Method::Post, name)
    }
    pub const fn put(name: &'static str) -> Self {
        Self::new(Method::Put, name)
    }
    pub const fn delete(name: &'static str) -> Self {
        Self::new(Method::Delete, name)
    }
    /// For other domains only.
    pub const fn internal(name: &'static str) -> Self {
        Self::new(Method::Post, name).rule(Rule::Internal).reply(Reply::Document)
    }
    pub const fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }
    pub const fn reply(mut self, reply: Reply) -> Self {
        self.reply = reply;
        self
    }
}
