//! Blocks of messages and batches of logs.

use alphapulse_kernel_math::evm_log::{self, Topic, Value};
use alphapulse_kernel_math::tlv::{self, Block, Count, FrameRow, MessageRow, SizeRule};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use pyo3::IntoPyObjectExt;

use crate::convert::int_to_python;
use crate::errors::read;

type RuleParts = (u8, usize, Vec<(usize, usize, u64)>);

fn packed<'py, Row>(
    py: Python<'py>,
    rows: &[Row],
    width: usize,
    field: impl Fn(&Row) -> u64,
) -> Bound<'py, PyBytes> {
    let mut bytes = Vec::with_capacity(rows.len() * width);
    for row in rows {
        bytes.extend_from_slice(&field(row).to_le_bytes()[..width]);
    }
    PyBytes::new(py, &bytes)
}

fn columns<'py>(py: Python<'py>, block: &Block) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    let message = |name, width, field: fn(&MessageRow) -> u64| {
        found.set_item(name, packed(py, &block.messages, width, field))
    };
    message("offset", 8, |row| row.offset as u64)?;
    message("size", 4, |row| row.size as u64)?;
    message("domain", 1, |row| u64::from(row.domain))?;
    message("source", 1, |row| u64::from(row.source))?;
    message("flags", 1, |row| u64::from(row.flags))?;
    message("sequence", 8, |row| row.sequence)?;
    message("timestamp_ns", 8, |row| row.timestamp_ns)?;
    let frame = |name, width, field: fn(&FrameRow) -> u64| {
        found.set_item(name, packed(py, &block.frames, width, field))
    };
    frame("tlv_message", 4, |row| row.message as u64)?;
    frame("tlv_type", 1, |row| u64::from(row.number))?;
    frame("tlv_offset", 8, |row| row.offset as u64)?;
    frame("tlv_length", 4, |row| row.length as u64)?;
    Ok(found)
}

/// The messages that fill a block, as columns of little-endian numbers; the first failing check is raised.
#[pyfunction]
#[pyo3(signature = (data, rules, *, verify=true, relay=false))]
pub fn scan_messages<'py>(
    py: Python<'py>,
    data: &[u8],
    rules: Vec<RuleParts>,
    verify: bool,
    relay: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let mut held = vec![None; 256];
    for (number, minimum, counts) in rules {
        let counts =
            counts.into_iter().map(|(start, width, unit)| Count { start, width, unit }).collect();
        held[usize::from(number)] = Some(SizeRule { minimum, counts });
    }
    let block = py.detach(|| read(|| tlv::scan(data, &held, verify, relay)))?;
    columns(py, &block)
}

/// The same field of many payloads, one after the other; `places` holds little-endian uint64.
#[pyfunction]
pub fn gather<'py>(
    py: Python<'py>,
    data: &[u8],
    places: &[u8],
    start: usize,
    width: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let (whole, rest) = places.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(PyValueError::new_err("`places` must hold whole uint64"));
    }
    let places: Vec<u64> = whole.iter().map(|place| u64::from_le_bytes(*place)).collect();
    let found = py.detach(|| read(|| tlv::gather(data, &places, start, width)))?;
    Ok(PyBytes::new(py, &found))
}

/// For each log (topics, data): the event as (kind, values ...), or what is wrong as (-1, word, offset).
#[pyfunction]
pub fn decode_logs<'py>(
    py: Python<'py>,
    logs: Vec<(Vec<Topic>, Vec<u8>)>,
) -> PyResult<Bound<'py, PyList>> {
    let answers = PyList::empty(py);
    for (topics, data) in &logs {
        match evm_log::decode(topics, data) {
            Ok(event) => {
                let mut parts = vec![event.kind.into_bound_py_any(py)?];
                for value in &event.values {
                    parts.push(match value {
                        Value::Address(bytes) => PyBytes::new(py, bytes).into_any(),
                        Value::Number(number) => int_to_python(py, number)?,
                    });
                }
                answers.append(PyTuple::new(py, parts)?)?;
            }
            Err(wrong) => answers.append((-1, wrong.kind, wrong.offset))?,
        }
    }
    Ok(answers)
}
