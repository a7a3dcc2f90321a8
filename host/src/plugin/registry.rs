//! The door to all this: loads plugins, builds their instances and disposes of them.
//!
//! It counts generations and shares compiled code between plugins of the same bytes. Which definition is in
//! use where is known to whoever asked for it; when none is left, so goes its code.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use wasmtime::Engine;
use wasmtime::component::Linker;

use super::builder::Builders;
use super::code_cache::CodeCache;
use super::component::{self, LoadError, LoadReason};
use super::definition::{Compiled, Definition, Source};
use super::engine::engine;
use super::inspect::{Inspection, inspect};
use super::instance::ShaperInstance;
use super::instance::{BuildError, BuildReason, Built, Seat};
use super::sandbox::Sandbox;
use super::ticker::{Activity, Ticker};
use super::v0_1;
use crate::config::PluginLimits;
use crate::decide::{Fault, Row, Shaper};

/// Bounds of a [`Registry`].
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Size above which a component is refused, in bytes.
    pub max_component_size: usize,
    /// Instances that may exist at a time: pools × workers × elements of a chain × 3 generations. Each
    /// reserves 16 GiB of address space, and next to no memory.
    pub max_instances: u32,
    /// Folder where compiled code is kept, see [`code_cache_folder`](super::code_cache_folder); none: nowhere.
    pub code_cache: Option<PathBuf>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { max_component_size: 32 << 20, max_instances: 256, code_cache: None }
    }
}

/// Plugins of a process. Its methods may be called from any thread and do their work on builder threads.
pub struct Registry {
    builders: Builders,
    core: Arc<Core>,
}

/// What jobs need. The last job that has it ends the ticker.
struct Core {
    ticker: Ticker,
    engine: Engine,
    cache: Option<CodeCache>,
    linker: Linker<Sandbox>,
    options: RegistryOptions,
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    /// The last generation of each name.
    generations: HashMap<Arc<str>, u64>,
    /// By digest.
    compiled: HashMap<[u8; 32], Weak<Compiled>>,
}

impl Registry {
    /// An engine, its ticker and the builder threads.
    ///
    /// # Errors
    /// When the system refuses the address space or a thread.
    pub fn new(options: RegistryOptions) -> io::Result<Self> {
        let refused = |error: wasmtime::Error| io::Error::other(format!("cannot set up WebAssembly: {error:#}"));
        let cache = options.code_cache.as_deref().and_then(CodeCache::open_or_warn);
        let engine = engine(options.max_instances, cache.as_ref().map(CodeCache::cache)).map_err(refused)?;
        let linker = v0_1::linker(&engine).map_err(refused)?;
        let ticks = engine.clone();
        let ticker = Ticker::start(move || ticks.increment_epoch())?;
        let builders = Builders::start(&ticker)?;
        let core = Core { ticker, engine, cache, linker, options, loaded: Mutex::default() };
        Ok(Self { builders, core: Arc::new(core) })
    }

    /// Compiles a component, checks it and tries whether it starts: the next generation of `plugin`. Bytes
    /// that are loaded already are not compiled again. The work begins at once; the future only tells how it went.
    ///
    /// # Errors
    /// The plugin, where its component comes from and what is wrong with it. Nothing has changed then.
    pub fn load(
        &self,
        plugin: Arc<str>,
        source: Source,
        limits: PluginLimits,
    ) -> impl Future<Output = Result<Arc<Definition>, LoadError>> + use<> {
        let lost = no_definition(&plugin, &source);
        let loaded = self.run_load(plugin, source, limits);
        async { loaded.await.unwrap_or(Err(lost)) }
    }

    /// [`Registry::load`] for threads without a runtime.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// In an asynchronous context.
    pub fn load_blocking(
        &self,
        plugin: Arc<str>,
        source: Source,
        limits: PluginLimits,
    ) -> Result<Arc<Definition>, LoadError> {
        let lost = no_definition(&plugin, &source);
        self.run_load(plugin, source, limits).blocking_recv().unwrap_or(Err(lost))
    }

    /// Instantiates, configures and, where there is one, gives the first table.
    ///
    /// # Errors
    /// The plugin, the pool and what went wrong.
    pub async fn build<I: Built>(&self, seat: Seat) -> Result<I, BuildError> {
        let lost = no_instance(&seat);
        self.run_build(seat).await.unwrap_or(Err(lost))
    }

    /// [`Registry::build`] for threads without a runtime.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// In an asynchronous context.
    pub fn build_blocking<I: Built>(&self, seat: Seat) -> Result<I, BuildError> {
        let lost = no_instance(&seat);
        self.run_build(seat).blocking_recv().unwrap_or(Err(lost))
    }

    /// What can be said of `bytes`, whatever they are. None: the builder gave no answer.
    ///
    /// # Panics
    /// In an asynchronous context.
    pub fn inspect_blocking(&self, bytes: Arc<[u8]>, limits: PluginLimits) -> Option<Inspection> {
        let core = Arc::clone(&self.core);
        let inspection =
            self.builders.run(move || inspect(&core.linker, core.options.max_component_size, &bytes, limits));
        inspection.blocking_recv().ok()
    }

    /// Drops an instance off the path. Its slot is free some time later.
    pub fn dispose(&self, instance: impl Send + 'static) {
        drop(self.builders.run(move || drop(instance)));
    }

    /// Weighs `rows` on a builder thread; the shaper comes back unless it failed. None: the builder gave no answer.
    pub async fn shape(
        &self,
        mut shaper: Box<ShaperInstance>,
        rows: Arc<[Row]>,
    ) -> Option<Result<(Box<ShaperInstance>, Vec<u32>), Fault>> {
        let shaped = self.builders.run(move || shaper.shape(&rows).map(|weights| (shaper, weights)));
        shaped.await.ok()
    }

    /// SHA-256 of a component as it is now; none: it cannot be read.
    pub async fn digest(&self, plugin: Arc<str>, source: Source) -> Option<[u8; 32]> {
        let max = self.core.options.max_component_size;
        self.work(move || source.read(&plugin, max).ok().map(|bytes| component::digest(&bytes))).await?
    }

    /// Has something done on a builder thread, which may run guest code. None: the builder gave no answer.
    pub async fn work<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let core = Arc::clone(&self.core);
        let done = self.builders.run(move || {
            // Ticks must go on while this runs, even if the registry is dropped meanwhile.
            let _core = core;
            job()
        });
        done.await.ok()
    }

    /// For a thread that will call instances; see [`Activity`].
    pub fn activity(&self) -> Activity {
        self.core.ticker.activity()
    }

    /// How many components were found in the code cache, and how many were written to it.
    #[cfg(test)]
    pub(super) fn cached(&self) -> (usize, usize) {
        let cache = self.core.cache.as_ref().map(CodeCache::cache);
        cache.map(|cache| (cache.cache_hits(), cache.cache_misses())).unwrap_or_default()
    }

    fn run_load(
        &self,
        plugin: Arc<str>,
        source: Source,
        limits: PluginLimits,
    ) -> tokio::sync::oneshot::Receiver<Result<Arc<Definition>, LoadError>> {
        let core = Arc::clone(&self.core);
        self.builders.run(move || core.load(plugin, source, limits))
    }

    fn run_build<I: Built>(&self, seat: Seat) -> tokio::sync::oneshot::Receiver<Result<I, BuildError>> {
        let core = Arc::clone(&self.core);
        self.builders.run(move || {
            // Ticks must go on while this runs, even if the registry is dropped meanwhile.
            let _core = core;
            let lost = no_instance(&seat);
            I::seat(seat).map_err(|reason| BuildError { reason, ..lost })
        })
    }
}

impl Core {
    fn load(&self, plugin: Arc<str>, source: Source, limits: PluginLimits) -> Result<Arc<Definition>, LoadError> {
        let name = source.to_string();
        self.define(&plugin, source, limits).map_err(|reason| LoadError { plugin, source_name: name, reason })
    }

    fn define(&self, plugin: &Arc<str>, source: Source, limits: PluginLimits) -> Result<Arc<Definition>, LoadReason> {
        let compiled = self.compiled(&source.read(plugin, self.options.max_component_size)?)?;
        let name = || Arc::clone(plugin);
        // The generation counts only once it is known to start.
        let trial = Definition::new(name(), source.clone(), Arc::clone(&compiled), limits, 0);
        Arc::new(trial).try_out()?;
        let mut loaded = self.loaded();
        loaded.compiled.retain(|_, compiled| compiled.strong_count() > 0);
        // Another builder may have compiled the same bytes meanwhile.
        let known = loaded.compiled.get(&compiled.digest).and_then(Weak::upgrade);
        let compiled = known.unwrap_or(compiled);
        loaded.compiled.insert(compiled.digest, Arc::downgrade(&compiled));
        let generation = loaded.generations.entry(name()).or_default();
        *generation += 1;
        Ok(Arc::new(Definition::new(name(), source, compiled, limits, *generation)))
    }

    fn compiled(&self, bytes: &[u8]) -> Result<Arc<Compiled>, LoadReason> {
        let digest = component::digest(bytes);
        let known = self.loaded().compiled.get(&digest).and_then(Weak::upgrade);
        if let Some(known) = known {
            return Ok(known);
        }
        let compiled = component::compile(&self.engine, &self.linker, bytes, digest);
        self.cache.iter().for_each(CodeCache::seal);
        compiled.map(Arc::new)
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_definition(plugin: &Arc<str>, source: &Source) -> LoadError {
    LoadError { plugin: Arc::clone(plugin), source_name: source.to_string(), reason: LoadReason::NoAnswer }
}

fn no_instance(seat: &Seat) -> BuildError {
    BuildError::of(seat, BuildReason::NoAnswer)
}
