//! Evaluation against scikit-learn, properties of the figures, the FER+ filter on the real votes, and the
//! reports.
