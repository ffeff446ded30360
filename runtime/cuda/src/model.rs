//! Models that `dlc compile --emit ptx` wrote, opened from their files: what a program needs that ships without dlc.

use crate::device::CudaDevice;
use crate::error::CudaError;
use dlc_abi::{Capability, DeviceImage, Interface};
use dlc_runtime::{Identity, LoadPolicy, Program, RuntimeError, Session};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Result<T> = std::result::Result<T, RuntimeError>;

/// A model's code for GPUs, from `NAME.launches`.
///
/// ```no_run
/// use dlc_cuda::CudaModel;
/// use dlc_runtime::typed::{bytes, bytes_mut};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // SAFETY: the file is our own.
/// let model = unsafe { CudaModel::open("digits.launches") }?;
/// let mut session = model.session(0)?; // on the first GPU, with the weights of digits.safetensors beside the file
/// let images = [[[[0.0_f32; 8]; 8]; 1]; 2];
/// let mut logits = [[0.0_f32; 10]; 2];
/// session.predict(2, &[bytes(&images)], &mut [bytes_mut(&mut logits)])?;
/// # Ok(())
/// # }
/// ```
pub struct CudaModel {
    image: DeviceImage,
    program: Arc<Program>,
    /// The file of weights that lies beside it, whether or not there is one.
    beside: PathBuf,
}

impl fmt::Debug for CudaModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaModel").field("model", &self.name()).finish_non_exhaustive()
    }
}

impl CudaModel {
    /// Reads a model; nothing is asked of a GPU yet.
    ///
    /// # Safety
    /// The file's text is run on the GPU, on memory of this process: it comes from someone whom you would let run a
    /// program. A file that is cut, changed or something else is an error.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if it cannot be read, [`RuntimeError::DeviceFile`] if it is no such file or a damaged one, and
    /// [`RuntimeError::Version`] if another version of dlc made it.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<CudaModel> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|cause| RuntimeError::File { path: path.to_owned(), cause })?;
        let refused = |reason| RuntimeError::DeviceFile { path: path.to_owned(), reason };
        let expected = dlc_abi::VERSION;
        match DeviceImage::version(&bytes) {
            None => return Err(refused("it is no code for GPUs that `dlc compile --emit ptx` made")),
            Some(found) if found != u64::from(expected) => {
                return Err(RuntimeError::Version { found, expected });
            }
            Some(_) => {}
        }
        let image = DeviceImage::decode(&bytes).map_err(|_| refused("the file is damaged"))?;
        let interface = image.description.interface.clone();
        let identity = Identity { model: interface.model.clone(), graph: image.description.graph };
        let beside = path.with_file_name(format!("{}.safetensors", interface.model));
        let program = Arc::new(Program::of_device(interface, Some(identity))?);
        Ok(CudaModel { image, program, beside })
    }

    /// An instance on the GPU of this number, with the weights of the file `NAME.safetensors` beside the code; where there is
    /// none, [`Session::load`] or [`Session::initialize`] comes before any other call.
    ///
    /// # Errors
    /// [`RuntimeError::Device`] with what the driver says, and those of [`Session::load`].
    pub fn session(&self, ordinal: usize) -> Result<Session> {
        let failed = |error: CudaError| RuntimeError::Device {
            device: format!("cuda:{ordinal}"),
            reason: error.to_string(),
        };
        let DeviceImage { description, constants, module } = &self.image;
        // SAFETY: promised to `open`; decoding has checked the launch table.
        let device = unsafe { CudaDevice::load(ordinal, &description.interface, module, constants) };
        let mut session = Session::on(Arc::clone(&self.program), Box::new(device.map_err(failed)?))?;
        if self.beside.is_file() {
            session.load(&self.beside, LoadPolicy::IgnoreExtra)?;
        }
        Ok(session)
    }

    /// The name that it was compiled with.
    pub fn name(&self) -> &str {
        &self.interface().model
    }

    /// Its functions with their inputs and outputs, and its parameters and states.
    pub fn interface(&self) -> &Interface {
        self.program.interface()
    }

    /// The GPUs that run it.
    pub fn capability(&self) -> Capability {
        self.image.module.capability
    }
}
