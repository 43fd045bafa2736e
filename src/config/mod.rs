//! Configuration that the image itself carries.
